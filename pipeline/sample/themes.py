"""Elements of the bestiary: colours, haunts, food and temper of families, so that a text hints at a picture.

No phrase here names a part, a colour or a size: those words belong to what is drawn.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Theme:
    """One element: what its creatures look like and how they live."""

    mains: tuple[str, ...]  # body colours, likely ones first
    accents: tuple[str, ...]  # colours of parts
    eyes: tuple[str, ...]
    roots: tuple[str, ...]  # first syllables of names
    haunts: tuple[str, ...]  # "lives …"
    foods: tuple[str, ...]  # "feeds on …"
    hours: tuple[str, ...]  # "comes out …"
    tempers: tuple[str, ...]  # "is …"
    gifts: tuple[str, ...]  # "It can …"


THEMES: Final[dict[str, Theme]] = {
    "fire": Theme(
        mains=("red", "orange", "red", "black"),
        accents=("yellow", "orange", "cream", "brown"),
        eyes=("yellow", "green", "blue"),
        roots=("Cin", "Pyr", "Brasi", "Sear", "Kindle", "Torr", "Fumo", "Calda"),
        haunts=(
            "on the slopes of smoking volcanoes",
            "in warm ash fields",
            "beside hot springs",
            "in old forges and kilns",
        ),
        foods=("glowing coals", "dry bark and pepper pods", "roasted chestnuts", "lumps of sulphur"),
        hours=("at high noon", "when the sun is hottest", "in the late afternoon"),
        tempers=("hot-tempered but loyal", "proud and quick to boast", "restless and brave"),
        gifts=(
            "breathe sparks that light a campfire",
            "melt a path through snow",
            "keep warm through the coldest winter",
        ),
    ),
    "water": Theme(
        mains=("blue", "teal", "blue", "white"),
        accents=("white", "teal", "yellow", "cream"),
        eyes=("orange", "yellow", "indigo"),
        roots=("Mari", "Undo", "Lago", "Rill", "Nero", "Brine", "Aqui", "Tidal"),
        haunts=("in clear lakes", "along rocky coasts", "in quiet river bends", "under the piers of old harbours"),
        foods=("water plants and shrimps", "plankton", "mussels and weed", "minnows of the stream"),
        hours=("at high tide", "in the early morning", "whenever it rains"),
        tempers=("calm and patient", "playful with boats", "gentle and a little shy"),
        gifts=("squirt water across a wide pond", "hold its breath for an hour", "smell rain a day ahead"),
    ),
    "leaf": Theme(
        mains=("green", "green", "brown", "yellow"),
        accents=("green", "pink", "yellow", "red"),
        eyes=("brown", "red", "purple"),
        roots=("Folia", "Silva", "Mossa", "Fern", "Bramb", "Verda", "Tilia", "Oaka"),
        haunts=("in deep forests", "in overgrown gardens", "among tall meadow grass", "under old oaks"),
        foods=("sunlight and dew", "berries and roots", "fallen fruit", "nectar and young shoots"),
        hours=("at sunrise", "on bright mornings", "through the long days of spring"),
        tempers=("peaceful and slow to anger", "curious about travellers", "friendly to gardeners"),
        gifts=("make seeds wake by humming", "heal small wounds with its sap", "hide among bushes without a sound"),
    ),
    "stone": Theme(
        mains=("brown", "grey", "brown", "orange"),
        accents=("grey", "brown", "cream", "teal"),
        eyes=("yellow", "red", "teal"),
        roots=("Petra", "Grani", "Bould", "Crag", "Marla", "Onyx", "Gneis", "Tuff"),
        haunts=("in mountain caves", "in dusty quarries", "on bare cliffs", "in dry canyons"),
        foods=("gravel and clay", "salt and lichen", "hard nuts", "iron-rich sand"),
        hours=("at dusk", "in the cool of the evening", "a few times a year"),
        tempers=("stubborn and steady", "slow but faithful", "silent and patient"),
        gifts=("carry ten times its own weight", "sleep for a whole year", "feel an earthquake before it comes"),
    ),
    "spark": Theme(
        mains=("yellow", "yellow", "indigo", "black"),
        accents=("black", "yellow", "blue", "white"),
        eyes=("blue", "red", "purple"),
        roots=("Volti", "Zapp", "Ampa", "Electra", "Jolta", "Galva", "Tesla", "Zin"),
        haunts=(
            "on stormy hilltops",
            "near windmills and dams",
            "along power lines",
            "in the clouds of a thunderstorm",
        ),
        foods=("static from dry grass", "old batteries", "sour fruit", "the charge of the air"),
        hours=("during thunderstorms", "just before a storm", "in the evening, when lamps are lit"),
        tempers=("nervous and very quick", "cheerful and loud", "impatient but clever"),
        gifts=("outrun its own echo", "make lamps glow as it passes", "numb a foe with a single touch"),
    ),
    "frost": Theme(
        mains=("white", "blue", "blue", "teal"),
        accents=("blue", "teal", "purple", "grey"),
        eyes=("blue", "purple", "red"),
        roots=("Nivi", "Glaci", "Rime", "Boreal", "Hiemo", "Sleet", "Polari", "Frio"),
        haunts=("on high glaciers", "in frozen forests", "on drifting ice floes", "in caves full of icicles"),
        foods=("snow and frozen berries", "fish from under the ice", "pine needles", "hoarfrost"),
        hours=("in the middle of winter", "on clear cold nights", "when the first snow falls"),
        tempers=("distant but kind", "quiet and watchful", "fond of company in a blizzard"),
        gifts=("freeze a puddle with one breath", "walk on thin ice without breaking it", "vanish in falling snow"),
    ),
    "wind": Theme(
        mains=("teal", "yellow", "grey", "pink"),
        accents=("white", "yellow", "indigo", "orange"),
        eyes=("indigo", "brown", "green"),
        roots=("Zephy", "Aero", "Gale", "Cirra", "Brisa", "Nimbo", "Alti", "Soara"),
        haunts=("above open plains", "on windy sea cliffs", "around church towers", "in high mountain passes"),
        foods=("midges caught in the air", "thistle seeds", "grain and grubs", "drifting pollen"),
        hours=("on breezy afternoons", "at daybreak", "when the wind turns"),
        tempers=("carefree and easily bored", "bold and talkative", "freedom-loving"),
        gifts=("ride a storm for days", "whistle a tune that calls the breeze", "cross a whole country without rest"),
    ),
    "shadow": Theme(
        mains=("black", "purple", "indigo", "grey"),
        accents=("purple", "red", "grey", "white"),
        eyes=("red", "yellow", "green"),
        roots=("Umbra", "Nocta", "Murk", "Tene", "Gloam", "Dusk", "Hexa", "Morro"),
        haunts=("in ruined castles", "in moonless woods", "in forgotten cellars", "between old graves"),
        foods=("bad dreams", "candle smoke", "moths and nightshade", "the fears of travellers"),
        hours=("at midnight", "on nights without a moon", "after the last lamp goes out"),
        tempers=("sly and fond of pranks", "lonely and easily hurt", "suspicious of strangers"),
        gifts=("slip under any door", "see in complete darkness", "follow a traveller unseen for miles"),
    ),
    "star": Theme(
        mains=("yellow", "orange", "yellow", "indigo"),
        accents=("yellow", "white", "pink", "blue"),
        eyes=("blue", "purple", "orange"),
        roots=("Stella", "Luma", "Astra", "Sola", "Come", "Orio", "Nova", "Vesper"),
        haunts=(
            "on lonely observatory hills",
            "in craters left by falling stars",
            "above still deserts",
            "in quiet temples",
        ),
        foods=("moonlight", "honey and stardust", "sweet cactus fruit", "light from distant suns"),
        hours=("on starry nights", "at the full moon", "in the hour before dawn"),
        tempers=("wise and soft-spoken", "dreamy and kind", "solemn but helpful"),
        gifts=("guide lost sailors home", "glow brightly enough to read by", "remember every star it has seen"),
    ),
    "venom": Theme(
        mains=("purple", "green", "pink", "purple"),
        accents=("green", "yellow", "pink", "black"),
        eyes=("yellow", "red", "teal"),
        roots=("Toxi", "Mire", "Bela", "Fetid", "Virra", "Sludga", "Noxa", "Hemlo"),
        haunts=("in misty swamps", "in damp hollow logs", "in the drains of big cities", "around stagnant pools"),
        foods=("toadstools", "rotten fruit", "bitter herbs", "worms and marsh gas"),
        hours=("in foggy weather", "on damp evenings", "after heavy rain"),
        tempers=("grumpy when disturbed", "greedy and cunning", "misunderstood and shy"),
        gifts=("spit a sticky poison", "brew a cure for any bite", "give off a smell that empties a room"),
    ),
    "metal": Theme(
        mains=("grey", "orange", "red", "blue"),
        accents=("orange", "red", "yellow", "black"),
        eyes=("red", "teal", "orange"),
        roots=("Ferro", "Cobal", "Chroma", "Zinc", "Ingo", "Rivet", "Stann", "Nicka"),
        haunts=("in scrapyards", "in abandoned mines", "among the cranes of shipyards", "in clock towers"),
        foods=("nails and rusty tins", "iron ore", "machine oil", "copper coins"),
        hours=("around the clock", "on the stroke of every hour", "during the night shift"),
        tempers=("dutiful and exact", "tough and fearless", "tidy and a little vain"),
        gifts=("bend steel bars with ease", "find lost keys by their smell", "turn away the sharpest blade"),
    ),
    "dream": Theme(
        mains=("pink", "purple", "pink", "teal"),
        accents=("white", "pink", "indigo", "yellow"),
        eyes=("purple", "blue", "green"),
        roots=("Somni", "Lulla", "Mira", "Reveri", "Pillo", "Morphe", "Nebu", "Ona"),
        haunts=(
            "in lavender fields",
            "in nurseries and attics",
            "in places where people sleep",
            "on islands no map shows",
        ),
        foods=("lullabies", "poppy seeds and warm milk", "sugar and morning dew", "happy memories"),
        hours=("at nap time", "between midnight and dawn", "on drowsy summer days"),
        tempers=("gentle and absent-minded", "affectionate and sleepy", "mysterious but harmless"),
        gifts=("send anyone to sleep with a yawn", "walk through the dreams of others", "lift small things by thought"),
    ),
}
"""Theme of each element."""
