"""Units of measurement by their symbols."""

import re

# symbol: (one, many); None for many means one + "s".
_NAMES = {
    "km": "kilometer",
    "m": "meter",
    "cm": "centimeter",
    "mm": "millimeter",
    "µm": "micrometer",
    "nm": "nanometer",
    "mi": "mile",
    "mi.": "mile",
    "yd": "yard",
    "yds": "yard",
    "yd.": "yard",
    "nmi": "nautical mile",
    "kg": "kilogram",
    "kgs": "kilogram",
    "g": "gram",
    "mg": "milligram",
    "µg": "microgram",
    "mcg": "microgram",
    "lb": "pound",
    "lbs": "pound",
    "lb.": "pound",
    "lbs.": "pound",
    "oz": "ounce",
    "oz.": "ounce",
    "l": "liter",
    "L": "liter",
    "ml": "milliliter",
    "mL": "milliliter",
    "cl": "centiliter",
    "dl": "deciliter",
    "gal": "gallon",
    "gal.": "gallon",
    "pt": "pint",
    "s": "second",
    "sec": "second",
    "secs": "second",
    "sec.": "second",
    "ms": "millisecond",
    "µs": "microsecond",
    "ns": "nanosecond",
    "min": "minute",
    "mins": "minute",
    "min.": "minute",
    "h": "hour",
    "hr": "hour",
    "hrs": "hour",
    "hr.": "hour",
    "hrs.": "hour",
    "yr": "year",
    "yrs": "year",
    "W": "watt",
    "kW": "kilowatt",
    "MW": "megawatt",
    "GW": "gigawatt",
    "TW": "terawatt",
    "kWh": "kilowatt hour",
    "MWh": "megawatt hour",
    "GWh": "gigawatt hour",
    "TWh": "terawatt hour",
    "Wh": "watt hour",
    "V": "volt",
    "kV": "kilovolt",
    "mV": "millivolt",
    "A": "amp",
    "mA": "milliamp",
    "mAh": "milliamp hour",
    "Ah": "amp hour",
    "J": "joule",
    "kJ": "kilojoule",
    "MJ": "megajoule",
    "N": "newton",
    "kN": "kilonewton",
    "Nm": "newton meter",
    "Pa": "pascal",
    "kPa": "kilopascal",
    "hPa": "hectopascal",
    "MPa": "megapascal",
    "cal": "calorie",
    "kcal": "kilocalorie",
    "dB": "decibel",
    "B": "byte",
    "KB": "kilobyte",
    "kB": "kilobyte",
    "MB": "megabyte",
    "GB": "gigabyte",
    "TB": "terabyte",
    "PB": "petabyte",
    "kb": "kilobit",
    "Mb": "megabit",
    "Gb": "gigabit",
    "ha": "hectare",
    "ac": "acre",
    "t": "ton",
    "kt": "kiloton",
    "°": "degree",
    "MP": "megapixel",
    "px": "pixel",
    "mol": "mole",
    "mmol": "millimole",
}
_IRREGULAR = {
    "ft": ("foot", "feet"),
    "ft.": ("foot", "feet"),
    "in": ("inch", "inches"),
    "in.": ("inch", "inches"),
    "st": ("stone", "stone"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "K": ("kelvin", "kelvin"),
    "rpm": ("revolution per minute", "revolutions per minute"),
    "bpm": ("beat per minute", "beats per minute"),
    "mph": ("mile per hour", "miles per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "kmh": ("kilometer per hour", "kilometers per hour"),
    "mpg": ("mile per gallon", "miles per gallon"),
    "fps": ("frame per second", "frames per second"),
    "dpi": ("dot per inch", "dots per inch"),
    "psi": ("pound per square inch", "pounds per square inch"),
    "kbps": ("kilobit per second", "kilobits per second"),
    "Mbps": ("megabit per second", "megabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "° C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "° F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "sq ft": ("square foot", "square feet"),
    "sq. ft.": ("square foot", "square feet"),
    "sq m": ("square meter", "square meters"),
    "sq km": ("square kilometer", "square kilometers"),
    "sq mi": ("square mile", "square miles"),
    "cc": ("cubic centimeter", "cubic centimeters"),
    "hp": ("horsepower", "horsepower"),
}
UNITS = {symbol: (one, one + "s") for symbol, one in _NAMES.items()} | _IRREGULAR
_POWERS = {"²": "square", "³": "cubic", "2": "square", "3": "cubic", "^2": "square", "^3": "cubic"}
_SYMBOLS = "|".join(re.escape(symbol) for symbol in sorted(UNITS, key=len, reverse=True))
_POWER = r"(?:[²³]|\^[23]|(?<=m)[23])"
_BELOW = r"day|week|month|year|hour|minute|second|person"
UNIT_PATTERN = rf"(?:{_SYMBOLS}){_POWER}?(?:/(?:{_BELOW}|(?:{_SYMBOLS}){_POWER}?))?"
_PARTS = re.compile(rf"({_BELOW}|{_SYMBOLS})({_POWER})?")


def unit_name(text: str, single: bool) -> str:
    """Read a unit: "km/h" is "kilometers per hour", or "kilometer per hour" for one."""
    above, _, below = text.partition("/")
    words = _factor(above, single)
    return f"{words} per {_factor(below, single=True)}" if below else words


def _factor(text: str, single: bool) -> str:
    found = _PARTS.fullmatch(text)
    if not found:
        return text
    symbol, power = found.groups()
    names = UNITS.get(symbol, (symbol, symbol))
    name = names[0] if single else names[1]
    return f"{_POWERS[power]} {name}" if power else name
