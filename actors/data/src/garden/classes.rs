//! The 104 flowers of the garden: what makes each of them itself.
//! Not here: how they are drawn, and what varies from picture to picture.
//!
//! Form, petals, outline, centre, markings, leaf and the way the flowers stand together carry the class. Colours do
//! so only in part: each flower comes in one to four tints that many others share.

/// How a flower is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Petals in one or a few rings, seen from the front.
    Ring,
    /// A ring of sepals and a shorter ring of other petals inside.
    Duplex,
    /// Rays around a disc.
    Daisy,
    /// Many layers that close towards the middle.
    Rosette,
    /// A ring of petals around a cup.
    Trumpet,
    /// Petals grown together.
    Funnel,
    /// A mirrored face: two petals up, two aside, one down.
    Face,
    /// Three sepals, two wings and a lip.
    Orchid,
    /// Upright petals, seen from the side.
    Cup,
    /// Hanging, seen from the side.
    Bell,
    /// Three petals up, three falling.
    Iris,
    /// One great bract around a spadix.
    Spathe,
    /// Filaments in all directions.
    Brush,
    /// Filaments out of a scaly ball.
    Thistle,
    /// A banner, two wings and a keel.
    Pea,
    /// A fan of blades out of a beak.
    Fan,
    /// Hanging sepals thrown back above a skirt.
    Skirt,
    /// A hanging heart with a drop.
    Locket,
    /// Hanging, the petals thrown upwards.
    Shuttle,
}

/// The outline of a petal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nearly as wide as long, wide near the tip.
    Round,
    /// Widest in the middle, blunt.
    Oval,
    /// Narrow, widest low down, pointed.
    Lance,
    /// Parallel sides, round tip.
    Strap,
    /// Very narrow, pointed.
    Needle,
    /// A narrow base and a wide round tip.
    Spoon,
    /// Wide, with a notch at the tip.
    Heart,
    /// Widening to a straight, toothed end.
    Wedge,
    /// Wide below, drawn out into a point.
    Pointed,
    /// Wide, with a wavy edge.
    Ruffled,
    /// Three teeth at a wide tip.
    Trident,
}

/// What stands in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Centre {
    /// Nothing to be seen.
    Bare,
    /// A small round knob.
    Knob,
    /// A ring of stamens around a knob.
    Stamens,
    /// A few long stamens.
    LongStamens,
    /// A dark knob in a ring of dark stamens.
    Dark,
    /// A flat disc of florets.
    Disc,
    /// A wide dark disc of florets.
    WideDisc,
    /// A high cone.
    Cone,
    /// One long column with grains.
    Column,
    /// A coloured eye in the throat.
    Eye,
    /// A crown of thread-like rays.
    Filaments,
    /// A wide cup or trumpet.
    Corona,
    /// A low ring-shaped cup.
    SmallCorona,
    /// Several small buttons.
    Buttons,
}

/// What is drawn on the petals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// Nothing.
    Plain,
    /// Lines from the throat.
    Veins,
    /// A line along the middle.
    Rib,
    /// Spots.
    Spots,
    /// A dark base.
    Blotch,
    /// A light base.
    Throat,
    /// A rim of another colour.
    Rim,
    /// Tips of another colour.
    Tips,
}

/// The leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// Long and narrow, from the ground.
    Strap,
    /// Narrow, along the stem.
    Lance,
    /// Oval.
    Oval,
    /// Heart-shaped.
    Heart,
    /// Leaflets in two rows.
    Pinnate,
    /// Leaflets like fingers.
    Palmate,
    /// Thread-like.
    Thread,
    /// Round, lying flat.
    Pad,
}

/// How flowers stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bloom {
    /// One.
    Single,
    /// A loose group of a few.
    Group(u8),
    /// A flat or domed head.
    Dome(u8),
    /// A ball.
    Globe(u8),
    /// A ball or dome on rays that are seen.
    Umbel(u8),
    /// Along an upright stem.
    Spike(u8),
    /// Along an arching stem, hanging.
    Arch(u8),
    /// Along a hanging stem.
    Drape(u8),
}

/// A family of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tint {
    White,
    Cream,
    Yellow,
    Gold,
    Orange,
    Red,
    Crimson,
    Pink,
    Rose,
    Purple,
    Violet,
    Blue,
    Sky,
    Lilac,
    Lime,
}

/// One class.
#[derive(Clone, Copy, Debug)]
pub struct Species {
    /// Its common name.
    pub name: &'static str,
    /// How it is built.
    pub form: Form,
    /// Petals in a layer.
    pub petals: u8,
    /// Layers of petals.
    pub layers: u8,
    /// The outline of a petal.
    pub shape: Shape,
    /// Half the width of a petal by its length.
    pub width: f32,
    /// How far petals rise from the plane of the flower (turns; 0.25 = upright, negative = thrown back).
    pub lift: f32,
    /// What stands in the middle.
    pub centre: Centre,
    /// What is drawn on the petals.
    pub marks: Marks,
    /// Its leaves.
    pub leaf: Leaf,
    /// How flowers stand together.
    pub bloom: Bloom,
    /// The colours it comes in.
    pub tints: &'static [Tint],
}

macro_rules! species {
    ($($name:literal: $form:ident $petals:literal x $layers:literal $shape:ident $width:literal $lift:literal,
       $centre:ident $marks:ident, $leaf:ident $bloom:ident $(($count:literal))?, $($tint:ident)+;)+) => {
        &[$(Species {
            name: $name,
            form: Form::$form,
            petals: $petals,
            layers: $layers,
            shape: Shape::$shape,
            width: $width,
            lift: $lift,
            centre: Centre::$centre,
            marks: Marks::$marks,
            leaf: Leaf::$leaf,
            bloom: Bloom::$bloom $(($count))?,
            tints: &[$(Tint::$tint),+],
        }),+]
    };
}

/// Every class, in the order of its number.
pub const SPECIES: &[Species] = species! {
    // name: form petals x layers, outline, half-width by length, lift; centre, marks; leaf, bloom; tints
    "evening primrose": Ring 4 x 1 Heart 0.62 0.04, Stamens Veins, Lance Single, Yellow Pink White;
    "wood anemone": Ring 7 x 1 Oval 0.30 0.03, Stamens Plain, Palmate Single, White Lilac;
    "japanese anemone": Ring 6 x 1 Round 0.48 0.02, Stamens Plain, Palmate Group(2), Pink White;
    "corn poppy": Ring 4 x 1 Ruffled 0.80 0.08, Dark Blotch, Pinnate Single, Red Orange Pink;
    "iceland poppy": Cup 6 x 1 Ruffled 0.60 0.15, Stamens Plain, Pinnate Single, Orange Yellow White;
    "buttercup": Ring 5 x 1 Round 0.56 0.12, Knob Plain, Palmate Group(3), Yellow Gold;
    "globe flower": Rosette 6 x 3 Round 0.62 0.14, Bare Plain, Palmate Single, Yellow Orange;
    "clematis": Ring 8 x 1 Pointed 0.27 0.00, Stamens Rib, Heart Single, Purple Violet Pink White;
    "magnolia": Ring 6 x 2 Spoon 0.30 0.10, Cone Plain, Oval Single, Pink White Rose;
    "hellebore": Ring 5 x 1 Pointed 0.56 0.06, Stamens Spots, Palmate Group(2), Lime White Purple;
    "dogwood": Ring 4 x 1 Trident 0.52 0.00, Knob Veins, Oval Single, White Pink;
    "wild rose": Ring 5 x 1 Heart 0.60 0.04, Stamens Throat, Pinnate Single, Pink White Rose;
    "rock rose": Ring 5 x 1 Wedge 0.66 0.02, Stamens Blotch, Lance Single, White Rose Pink;
    "mallow": Ring 5 x 1 Heart 0.34 0.03, Column Veins, Palmate Group(2), Rose Lilac White;
    "hibiscus": Ring 5 x 1 Ruffled 0.64 0.06, Column Blotch, Oval Single, Red Pink Yellow Orange;
    "periwinkle": Ring 5 x 1 Wedge 0.40 0.00, Eye Plain, Oval Group(2), Violet Blue White;
    "frangipani": Ring 5 x 1 Oval 0.40 0.04, Bare Throat, Oval Dome(5), White Cream Pink;
    "star of bethlehem": Ring 6 x 1 Lance 0.22 0.02, Stamens Rib, Strap Group(4), White Yellow;
    "borage": Ring 5 x 1 Pointed 0.30 -0.03, Cone Plain, Oval Group(4), Blue Violet White;
    "columbine": Duplex 5 x 2 Pointed 0.30 0.00, Stamens Plain, Palmate Single, Blue Violet Red Yellow;
    "love in a mist": Ring 5 x 2 Pointed 0.32 0.02, LongStamens Veins, Thread Single, Blue Sky White;
    "tiger lily": Ring 6 x 1 Lance 0.21 -0.05, LongStamens Spots, Lance Single, Orange Yellow;
    "stargazer lily": Ring 6 x 1 Pointed 0.30 0.02, LongStamens Rim, Lance Single, Rose Pink White;
    "day lily": Duplex 3 x 2 Oval 0.30 0.06, LongStamens Throat, Strap Single, Orange Yellow Crimson;
    "peruvian lily": Ring 6 x 1 Spoon 0.26 0.08, Stamens Veins, Lance Dome(4), Orange Pink Yellow;
    "amaryllis": Ring 6 x 1 Pointed 0.40 0.09, LongStamens Throat, Strap Group(3), Red White Pink;
    "crocus": Cup 6 x 1 Oval 0.36 0.20, Stamens Veins, Thread Group(2), Purple Yellow White;
    "tulip": Cup 6 x 1 Pointed 0.46 0.225, Bare Plain, Strap Single, Red Yellow Pink Purple;
    "lotus": Ring 8 x 3 Pointed 0.34 0.12, Cone Tips, Pad Single, Pink White;
    "water lily": Ring 10 x 3 Lance 0.19 0.06, Stamens Plain, Pad Single, White Pink Yellow;
    "passion flower": Ring 10 x 1 Strap 0.17 0.00, Filaments Plain, Palmate Single, White Lilac Pink;
    "morning glory": Funnel 5 x 1 Round 0.04 0.00, Eye Rib, Heart Single, Blue Purple Rose;
    "petunia": Funnel 5 x 1 Ruffled 0.20 0.00, Bare Veins, Oval Group(2), Purple Pink White Crimson;
    "gentian": Funnel 5 x 1 Pointed 0.55 0.00, Bare Spots, Lance Group(2), Blue Violet White;
    "balloon flower": Funnel 5 x 1 Pointed 0.34 0.00, Knob Veins, Oval Single, Violet Blue White;
    "azalea": Funnel 5 x 1 Ruffled 0.48 0.00, LongStamens Spots, Oval Dome(5), Rose Pink White Orange;
    "garden phlox": Ring 5 x 1 Spoon 0.48 0.00, Eye Plain, Lance Dome(9), Pink Lilac White;
    "primula": Ring 5 x 1 Heart 0.56 0.00, Eye Throat, Oval Dome(7), Yellow Purple Crimson;
    "forget me not": Ring 5 x 1 Round 0.50 0.00, Eye Plain, Lance Group(8), Sky Blue Pink;
    "geranium": Ring 5 x 1 Spoon 0.34 0.02, Knob Veins, Palmate Dome(10), Red Pink White;
    "hydrangea": Ring 4 x 1 Round 0.58 0.00, Knob Plain, Oval Globe(26), Blue Pink White Lilac;
    "lantana": Ring 4 x 1 Wedge 0.50 0.00, Eye Plain, Oval Dome(22), Orange Yellow Pink;
    "agapanthus": Ring 6 x 1 Lance 0.20 0.10, Stamens Rib, Strap Umbel(16), Blue White Violet;
    "allium": Ring 6 x 1 Needle 0.10 0.04, Knob Plain, Strap Globe(34), Purple Lilac White;
    "queen annes lace": Ring 5 x 1 Round 0.50 0.00, Bare Plain, Thread Umbel(44), White Cream;
    "oxeye daisy": Daisy 21 x 1 Strap 0.10 0.01, Disc Plain, Pinnate Single, White;
    "sunflower": Daisy 22 x 2 Lance 0.14 0.02, WideDisc Plain, Heart Single, Yellow Gold;
    "gerbera": Daisy 24 x 2 Strap 0.09 0.02, Disc Plain, Pinnate Single, Red Orange Pink Yellow;
    "black eyed susan": Daisy 13 x 1 Oval 0.17 -0.02, Cone Blotch, Lance Single, Yellow Gold;
    "coneflower": Daisy 15 x 1 Strap 0.13 -0.09, Cone Plain, Lance Single, Rose Pink White;
    "cosmos": Daisy 8 x 1 Trident 0.38 0.02, Disc Plain, Thread Single, Pink White Rose;
    "zinnia": Daisy 15 x 3 Spoon 0.18 0.03, Disc Plain, Oval Single, Red Rose Orange Yellow;
    "dahlia": Rosette 13 x 5 Spoon 0.20 0.05, Bare Plain, Oval Single, Crimson Purple Orange White;
    "chrysanthemum": Rosette 20 x 4 Needle 0.10 0.06, Bare Plain, Pinnate Single, Yellow Pink White Crimson;
    "marigold": Rosette 9 x 5 Wedge 0.42 0.06, Bare Rim, Pinnate Single, Orange Gold Yellow;
    "african daisy": Daisy 17 x 1 Lance 0.13 0.01, WideDisc Tips, Lance Single, White Purple Pink;
    "gazania": Daisy 15 x 1 Pointed 0.16 0.02, Disc Blotch, Lance Single, Orange Yellow Crimson;
    "dandelion": Daisy 32 x 3 Needle 0.06 0.05, Bare Plain, Pinnate Single, Yellow Gold;
    "chicory": Daisy 16 x 1 Trident 0.16 0.00, Stamens Plain, Pinnate Spike(3), Sky Blue Lilac;
    "aster": Daisy 34 x 1 Needle 0.05 0.01, Disc Plain, Lance Group(4), Lilac Violet Pink;
    "cornflower": Daisy 9 x 1 Trident 0.34 0.05, Filaments Plain, Lance Single, Blue Pink White;
    "blanket flower": Daisy 13 x 1 Trident 0.24 0.01, Disc Tips, Lance Single, Red Orange Crimson;
    "pincushion flower": Daisy 11 x 2 Ruffled 0.40 0.02, Buttons Plain, Pinnate Single, Lilac Sky White;
    "edelweiss": Daisy 9 x 1 Lance 0.20 0.00, Buttons Plain, Lance Single, White Cream;
    "strawflower": Rosette 15 x 3 Pointed 0.22 0.07, Disc Plain, Lance Single, Gold Orange Rose White;
    "tickseed": Daisy 8 x 1 Trident 0.30 0.00, Disc Blotch, Thread Group(3), Yellow Gold;
    "garden rose": Rosette 5 x 5 Round 0.70 0.07, Bare Plain, Pinnate Single, Red Pink White Yellow;
    "peony": Rosette 7 x 5 Ruffled 0.55 0.09, Stamens Plain, Palmate Single, Pink Rose White;
    "camellia": Rosette 8 x 5 Heart 0.50 0.03, Bare Plain, Oval Single, Red Pink White;
    "ranunculus": Rosette 8 x 6 Round 0.60 0.11, Knob Plain, Palmate Single, Orange Yellow Pink White;
    "carnation": Rosette 8 x 4 Wedge 0.55 0.08, Bare Rim, Lance Single, Red Pink White;
    "sweet william": Ring 5 x 1 Wedge 0.54 0.00, Eye Rim, Lance Dome(11), Crimson Rose White;
    "maiden pink": Ring 5 x 1 Trident 0.42 0.00, Bare Veins, Lance Group(2), Rose Pink White;
    "daffodil": Trumpet 6 x 1 Oval 0.38 0.00, Corona Plain, Strap Single, Yellow White Cream;
    "narcissus": Trumpet 6 x 1 Round 0.42 0.00, SmallCorona Plain, Strap Group(3), White Cream Yellow;
    "pansy": Face 5 x 1 Round 0.60 0.00, Knob Blotch, Oval Single, Purple Yellow White Orange;
    "moth orchid": Orchid 5 x 1 Round 0.56 0.00, Knob Veins, Strap Arch(4), Rose White Pink;
    "ladys slipper": Orchid 5 x 1 Needle 0.16 0.00, Bare Rib, Oval Single, Yellow Lime Pink;
    "cattleya orchid": Orchid 5 x 1 Ruffled 0.36 0.00, Bare Throat, Strap Single, Lilac Pink White;
    "sweet pea": Pea 4 x 1 Ruffled 0.72 0.00, Bare Plain, Pinnate Group(3), Pink Purple White Crimson;
    "wisteria": Pea 4 x 1 Round 0.60 0.00, Bare Throat, Pinnate Drape(26), Lilac Violet White;
    "lupin": Pea 4 x 1 Round 0.50 0.00, Bare Plain, Palmate Spike(34), Purple Pink Blue Yellow;
    "larkspur": Ring 5 x 1 Oval 0.44 0.02, Eye Plain, Thread Spike(16), Blue Violet Pink;
    "foxglove": Bell 5 x 1 Strap 0.40 0.225, Bare Spots, Lance Spike(18), Purple Pink White;
    "canterbury bells": Bell 5 x 1 Pointed 0.56 0.20, Bare Veins, Lance Group(3), Violet Pink White;
    "harebell": Bell 5 x 1 Pointed 0.46 0.21, Knob Plain, Thread Arch(2), Blue Violet Sky;
    "lily of the valley": Bell 6 x 1 Round 0.60 0.20, Bare Plain, Oval Arch(8), White Cream;
    "snowdrop": Bell 3 x 1 Spoon 0.34 0.18, Bare Plain, Strap Arch(1), White;
    "bluebell": Bell 6 x 1 Strap 0.24 0.225, Bare Rib, Strap Arch(6), Blue Violet White;
    "fritillary": Bell 6 x 1 Oval 0.48 0.225, Bare Spots, Thread Arch(1), Purple Crimson White;
    "fuchsia": Skirt 4 x 1 Lance 0.20 0.20, LongStamens Plain, Oval Arch(3), Crimson Rose Pink;
    "bleeding heart": Locket 2 x 1 Round 0.60 0.20, Bare Plain, Palmate Arch(6), Rose Pink White;
    "bird of paradise": Fan 5 x 1 Lance 0.13 0.10, Bare Plain, Oval Single, Orange Gold;
    "calla lily": Spathe 1 x 1 Pointed 0.62 0.12, Column Plain, Heart Single, White Yellow Pink;
    "globe thistle": Brush 90 x 1 Needle 0.05 0.00, Bare Tips, Pinnate Single, Blue Violet Lilac;
    "spear thistle": Thistle 44 x 1 Needle 0.03 0.16, Bare Plain, Pinnate Single, Purple Rose Lilac;
    "bottlebrush": Brush 12 x 1 Needle 0.05 0.00, Bare Plain, Lance Spike(34), Red Crimson Pink;
    "grape hyacinth": Locket 1 x 1 Oval 0.60 0.00, Bare Rim, Strap Spike(40), Blue Violet White;
    "gladiolus": Funnel 6 x 1 Ruffled 0.36 0.00, LongStamens Throat, Strap Spike(7), Red Pink Yellow White;
    "hollyhock": Funnel 5 x 1 Ruffled 0.10 0.00, Column Blotch, Palmate Spike(6), Pink Crimson Yellow White;
    "iris": Iris 6 x 1 Spoon 0.44 0.12, Bare Veins, Strap Single, Violet Purple Yellow White;
    "nasturtium": Ring 5 x 1 Spoon 0.44 0.05, Bare Veins, Pad Single, Orange Yellow Red;
    "trillium": Ring 3 x 1 Pointed 0.44 0.03, Stamens Veins, Oval Single, White Crimson Pink;
    "cyclamen": Shuttle 5 x 1 Spoon 0.30 0.165, Bare Throat, Heart Group(2), Pink Rose White;
};
