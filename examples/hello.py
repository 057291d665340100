"""Say a sentence and write it to a file."""

import sori

voice = sori.load()
audio = voice.say("The birch canoe slid on the smooth planks.")
sori.write("hello.wav", audio)
print(f"hello.wav holds {audio.seconds:.1f} s at {audio.sample_rate} Hz")
