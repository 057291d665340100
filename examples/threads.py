"""Let several threads share one voice."""

from concurrent.futures import ThreadPoolExecutor

import sori

SENTENCES = ["Four hours of steady work.", "A large size in stockings.", "The boy was there."]

voice = sori.load(threads=1)
with ThreadPoolExecutor(max_workers=2) as pool:
    for number, audio in enumerate(pool.map(voice.say, SENTENCES)):
        sori.write(f"thread-{number}.wav", audio)
