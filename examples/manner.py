"""Change speed, pitch and energy."""

import sori

voice = sori.load()
sori.write("slow.wav", voice.say("One step at a time.", speed=0.7))
sori.write("fast.wav", voice.say("No time to lose.", speed=1.6))
sori.write("high.wav", voice.say("Up here.", pitch=1.25))
sori.write("soft.wav", voice.say("Hush now.", energy=0.6))
