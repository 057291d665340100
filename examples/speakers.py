"""Say the same sentence with every speaker, and with a mix of the first and the last."""

import sori

voice = sori.load()
first, last = voice.speakers[0], voice.speakers[-1]
for speaker in voice.speakers:
    sori.write(f"{speaker}.flac", voice.say("How do I sound to you?", speaker=speaker))
sori.write("mixed.flac", voice.say("How do I sound to you?", speaker=f"{first}(2)+{last}(1)"))
