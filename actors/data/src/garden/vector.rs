//! The little geometry that drawing needs: vectors of two and three numbers, oblique frames, easing.
//! Not for: anything outside the garden.

/// A point or direction in the picture: x to the right, y down, the picture's side being 1.
pub type Vec2 = [f32; 2];
/// A direction in space: x to the right, y down, z to the viewer.
pub type Vec3 = [f32; 3];

/// a + b.
pub fn add2(a: Vec2, b: Vec2) -> Vec2 {
    [a[0] + b[0], a[1] + b[1]]
}

/// a · k.
pub fn scale2(a: Vec2, k: f32) -> Vec2 {
    [a[0] * k, a[1] * k]
}

/// a + b.
pub fn add3(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// a · k.
pub fn scale3(a: Vec3, k: f32) -> Vec3 {
    [a[0] * k, a[1] * k, a[2] * k]
}

/// The dot product.
pub fn dot3(a: Vec3, b: Vec3) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The cross product.
pub fn cross3(a: Vec3, b: Vec3) -> Vec3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// `a` with length 1 (a zero vector points to the viewer).
pub fn unit3(a: Vec3) -> Vec3 {
    let length = dot3(a, a).sqrt();
    if length > 1e-6 { scale3(a, 1.0 / length) } else { [0.0, 0.0, 1.0] }
}

/// What the viewer sees of a direction in space.
pub fn seen(a: Vec3) -> Vec2 {
    [a[0], a[1]]
}

/// From `a` (share 0) to `b` (share 1).
pub fn lerp3(a: [f32; 3], b: [f32; 3], share: f32) -> [f32; 3] {
    [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share]
}

/// From `a` (share 0) to `b` (share 1).
pub fn lerp(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// 0 below `low`, 1 above `high`, smooth between.
pub fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// (sin, cos) of an angle in turns.
pub fn circle(turns: f32) -> (f32, f32) {
    let angle = turns * core::f32::consts::TAU;
    (libm::sinf(angle), libm::cosf(angle))
}

/// Coordinates along two directions that need not be square to each other.
pub struct Frame2 {
    axis: Vec2,
    across: Vec2,
    to_u: Vec2,
    to_v: Vec2,
}

impl Frame2 {
    /// A frame, or `None` if the directions are too nearly parallel to see anything of it.
    pub fn new(axis: Vec2, across: Vec2) -> Option<Self> {
        let det = axis[0] * across[1] - axis[1] * across[0];
        (det.abs() > 1e-8).then(|| Self {
            axis,
            across,
            to_u: [across[1] / det, -across[0] / det],
            to_v: [-axis[1] / det, axis[0] / det],
        })
    }

    /// The (u, v) of a vector: vector = u · axis + v · across.
    #[inline(always)]
    pub fn coordinates(&self, p: Vec2) -> (f32, f32) {
        (self.to_u[0] * p[0] + self.to_u[1] * p[1], self.to_v[0] * p[0] + self.to_v[1] * p[1])
    }

    /// How fast u and v change per unit of distance.
    pub fn gradients(&self) -> (f32, f32) {
        let length = |g: Vec2| (g[0] * g[0] + g[1] * g[1]).sqrt();
        (length(self.to_u), length(self.to_v))
    }

    /// Lowest and highest y of the parallelogram of the two ranges about `origin`.
    pub fn y_range(&self, origin: Vec2, u: (f32, f32), v: (f32, f32)) -> (f32, f32) {
        let (a, b) = (self.axis[1] * u.0, self.axis[1] * u.1);
        let (c, d) = (self.across[1] * v.0, self.across[1] * v.1);
        (origin[1] + a.min(b) + c.min(d), origin[1] + a.max(b) + c.max(d))
    }

    /// Where the line at height `y` enters and leaves the parallelogram.
    pub fn x_range(&self, origin: Vec2, y: f32, u: (f32, f32), v: (f32, f32)) -> Option<(f32, f32)> {
        let dy = y - origin[1];
        let (mut low, mut high) = (-4.0f32, 5.0f32);
        for (to, range) in [(self.to_u, u), (self.to_v, v)] {
            let at_y = to[1] * dy;
            if to[0].abs() < 1e-6 {
                if at_y < range.0 || at_y > range.1 {
                    return None;
                }
                continue;
            }
            let (a, b) = ((range.0 - at_y) / to[0], (range.1 - at_y) / to[0]);
            low = low.max(origin[0] + a.min(b));
            high = high.min(origin[0] + a.max(b));
        }
        (low <= high).then_some((low, high))
    }
}
