"""Catch what a user can do wrong: one class, one line that says what to do."""

import sori

voice = sori.load()
for text, options in [("", {}), ("Hello.", {"speed": 40.0}), ("Hello.", {"speaker": "nobody"})]:
    try:
        voice.say(text, **options)
    except sori.SoriError as error:
        print(error)
