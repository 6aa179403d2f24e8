//! Reusable buffers of one batch each, lent out by rows to the workers that fill them.
//! Not here: who gets rows when (see `conductor`), or what is in them.
//!
//! A slab is one region `[B, H, W, 3]` of bytes per view. It is opened for a batch, handed out as disjoint [`Rows`]
//! (each the exclusive right to write some rows), and closed again when all of them are back. The memory comes from a
//! [`SlabMemory`] so that an application can pass in pinned memory without this crate knowing what that is.

use std::sync::Arc;

use crate::geometry::Size;
use crate::limits::{BATCH_ROWS_MAX, VIEWS_MAX};

/// Memory of one slab.
///
/// # Safety
/// `pointer` must stay valid and unmoved for `bytes` initialised bytes, exclusively owned by this value, until it is
/// dropped; and the value must be safe to use from any thread.
pub unsafe trait SlabRegion: Send + Sync {
    /// Start of the region.
    fn pointer(&self) -> *mut u8;
    /// Its length.
    fn bytes(&self) -> usize;
}

/// Where slabs come from. Called once per slab, before the first phase.
pub trait SlabMemory: Send + Sync {
    /// A zeroed region of at least `bytes` bytes.
    fn allocate(&self, bytes: usize) -> std::io::Result<Box<dyn SlabRegion>>;
}

/// Ordinary memory.
pub struct Heap;

struct HeapRegion {
    pointer: *mut [u8],
}

// SAFETY: the boxed slice behind `pointer` is owned by this value alone and freed only by its drop; raw access from any
// thread is governed by `Rows` and `Slab`, which never overlap.
unsafe impl Send for HeapRegion {}
// SAFETY: as above; `&HeapRegion` only gives out the address.
unsafe impl Sync for HeapRegion {}
// SAFETY: a leaked box stays valid, initialised (zeroed) and unmoved until `drop` takes it back.
unsafe impl SlabRegion for HeapRegion {
    fn pointer(&self) -> *mut u8 {
        self.pointer.cast()
    }
    fn bytes(&self) -> usize {
        self.pointer.len()
    }
}

impl Drop for HeapRegion {
    fn drop(&mut self) {
        // SAFETY: `pointer` came from `Box::into_raw` in `allocate` and is taken back exactly once.
        drop(unsafe { Box::from_raw(self.pointer) });
    }
}

impl SlabMemory for Heap {
    fn allocate(&self, bytes: usize) -> std::io::Result<Box<dyn SlabRegion>> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(bytes).map_err(|error| std::io::Error::new(std::io::ErrorKind::OutOfMemory, error))?;
        memory.resize(bytes, 0u8);
        Ok(Box::new(HeapRegion { pointer: Box::into_raw(memory.into_boxed_slice()) }))
    }
}

/// Where views and rows lie in a slab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    rows: usize,
    views: Vec<Size>,
}

impl Layout {
    /// `rows` rows of one to three views, 8-bit RGB.
    pub fn new(rows: usize, views: Vec<Size>) -> Self {
        assert!((1..=BATCH_ROWS_MAX).contains(&rows), "a batch has 1 to {BATCH_ROWS_MAX} rows");
        assert!((1..=VIEWS_MAX).contains(&views.len()), "a ticket has 1 to {VIEWS_MAX} views");
        Self { rows, views }
    }

    /// Rows of a full batch.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Sizes of the views.
    pub fn views(&self) -> &[Size] {
        &self.views
    }

    /// Bytes of one row of a view.
    pub fn row_bytes(&self, view: usize) -> usize {
        self.views[view].width as usize * self.views[view].height as usize * 3
    }

    /// Bytes of a whole slab.
    pub fn bytes(&self) -> usize {
        (0..self.views.len()).map(|view| self.rows * self.row_bytes(view)).sum()
    }

    fn offset(&self, view: usize, row: usize) -> usize {
        debug_assert!(row <= self.rows);
        (0..view).map(|before| self.rows * self.row_bytes(before)).sum::<usize>() + row * self.row_bytes(view)
    }
}

/// A whole buffer, in one hand.
pub struct Slab {
    region: Arc<dyn SlabRegion>,
}

impl Slab {
    /// Allocates one slab.
    pub fn allocate(memory: &dyn SlabMemory, bytes: usize) -> std::io::Result<Self> {
        let region: Arc<dyn SlabRegion> = Arc::from(memory.allocate(bytes)?);
        assert!(region.bytes() >= bytes, "the allocator gave less than was asked for");
        Ok(Self { region })
    }

    /// Its size.
    pub fn bytes(&self) -> usize {
        self.region.bytes()
    }

    /// Opens it for one batch: rows are lent out from the first on.
    pub fn open(self, layout: Arc<Layout>) -> OpenSlab {
        assert!(layout.bytes() <= self.region.bytes(), "slabs are allocated for the largest geometry of the run");
        OpenSlab { region: self.region, layout, next_row: 0 }
    }

    /// Closes it again. All rows lent out must be there, and nobody else may hold any.
    pub fn close(rows: Vec<Rows>) -> Self {
        let mut lent = rows.into_iter();
        let region = lent.next().expect("a batch has at least one chunk").region;
        for other in lent {
            assert!(Arc::ptr_eq(&region, &other.region), "rows of another slab");
        }
        assert_eq!(Arc::strong_count(&region), 1, "somebody still holds rows of this slab");
        Self { region }
    }

    /// One view of the first `rows` rows: `[rows, H, W, 3]`.
    pub fn view(&self, layout: &Layout, view: usize, rows: usize) -> &[u8] {
        assert!(rows <= layout.rows && layout.bytes() <= self.bytes());
        // SAFETY: the range lies inside the region (asserted), which is initialised; `&self` means that no `Rows` exist
        // (`close` checked that this is the only handle, `open` consumes it), so nobody writes.
        unsafe {
            std::slice::from_raw_parts(self.region.pointer().add(layout.offset(view, 0)), rows * layout.row_bytes(view))
        }
    }

    /// Moves the rows named (ascending) to the front, in every view.
    pub fn keep(&mut self, layout: &Layout, kept: &[usize]) {
        for view in 0..layout.views.len() {
            let (bytes, start) = (layout.row_bytes(view), layout.offset(view, 0));
            assert!(start + layout.rows * bytes <= self.region.bytes());
            // SAFETY: inside the region (asserted); `&mut self` on a closed slab is the only access.
            let rows = unsafe { std::slice::from_raw_parts_mut(self.region.pointer().add(start), layout.rows * bytes) };
            for (to, &from) in kept.iter().enumerate() {
                assert!(to <= from, "kept rows ascend");
                rows.copy_within(from * bytes..(from + 1) * bytes, to * bytes);
            }
        }
    }
}

/// A slab whose rows are being lent out.
pub struct OpenSlab {
    region: Arc<dyn SlabRegion>,
    layout: Arc<Layout>,
    next_row: usize,
}

impl OpenSlab {
    /// Rows not yet lent.
    pub fn rows_left(&self) -> usize {
        self.layout.rows - self.next_row
    }

    /// The next `count` rows.
    pub fn lend(&mut self, count: usize) -> Rows {
        assert!(count > 0 && count <= self.rows_left(), "rows are lent once");
        let first = self.next_row;
        self.next_row += count;
        Rows { region: Arc::clone(&self.region), layout: Arc::clone(&self.layout), first, count }
    }
}

/// The exclusive right to write some neighbouring rows of an open slab.
pub struct Rows {
    region: Arc<dyn SlabRegion>,
    layout: Arc<Layout>,
    first: usize,
    count: usize,
}

impl Rows {
    /// How many.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The first one's place in the batch.
    pub fn first(&self) -> usize {
        self.first
    }

    /// One view of one row (counted from [`Rows::first`]): `[H, W, 3]`.
    pub fn view_mut(&mut self, row: usize, view: usize) -> &mut [u8] {
        assert!(row < self.count, "a row of somebody else");
        let offset = self.layout.offset(view, self.first + row);
        // SAFETY: the range lies inside the region (`open` asserted the layout fits). `lend` gives every row to one
        // `Rows` only and `&mut self` makes this the only slice made from it; `Slab` handles don't exist while rows do.
        unsafe { std::slice::from_raw_parts_mut(self.region.pointer().add(offset), self.layout.row_bytes(view)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Arc<Layout> {
        Arc::new(Layout::new(4, vec![Size { width: 2, height: 1 }, Size { width: 1, height: 1 }]))
    }

    fn filled() -> (Slab, Arc<Layout>) {
        let layout = layout();
        let mut open = Slab::allocate(&Heap, layout.bytes()).unwrap().open(Arc::clone(&layout));
        let mut lent = vec![open.lend(3), open.lend(1)];
        assert_eq!(open.rows_left(), 0);
        for rows in &mut lent {
            for row in 0..rows.count() {
                let mark = (rows.first() + row) as u8;
                rows.view_mut(row, 0).fill(mark);
                rows.view_mut(row, 1).fill(100 + mark);
            }
        }
        drop(open);
        (Slab::close(lent), layout)
    }

    #[test]
    fn rows_land_in_plan_order_in_every_view() {
        let (slab, layout) = filled();
        assert_eq!(
            slab.view(&layout, 0, 4),
            [0; 6].iter().chain(&[1; 6]).chain(&[2; 6]).chain(&[3; 6]).copied().collect::<Vec<u8>>()
        );
        assert_eq!(slab.view(&layout, 1, 2), [100, 100, 100, 101, 101, 101]);
    }

    #[test]
    fn keeping_rows_closes_the_gaps() {
        let (mut slab, layout) = filled();
        slab.keep(&layout, &[1, 3]);
        assert_eq!(slab.view(&layout, 0, 2), [1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3]);
        assert_eq!(slab.view(&layout, 1, 2), [101, 101, 101, 103, 103, 103]);
    }

    #[test]
    fn a_slab_with_rows_outstanding_cannot_be_closed() {
        let layout = layout();
        let mut open = Slab::allocate(&Heap, layout.bytes()).unwrap().open(layout);
        let (first, second) = (open.lend(2), open.lend(2));
        drop(open);
        let closed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Slab::close(vec![first])));
        assert!(closed.is_err());
        drop(second);
    }

    #[test]
    fn no_row_is_lent_twice() {
        let mut open = Slab::allocate(&Heap, layout().bytes()).unwrap().open(layout());
        let _all = open.lend(4);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| open.lend(1))).is_err());
    }
}
