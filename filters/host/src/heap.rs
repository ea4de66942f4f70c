//! The allocator: freed blocks are kept at hand, by size.
//!
//! A request asks for some hundred small blocks and gives them back. The standard
//! library's allocator is right for that, but large: what it runs through for each
//! block pushes other code out of the core's caches. Here the usual case is a few
//! instructions, and the standard library has the rest.

// Blocks are pointers.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;

#[cfg(target_family = "wasm")]
#[global_allocator]
static HEAP: Heap = Heap { kept: UnsafeCell::new([EMPTY; CLASSES]) };

/// The sizes of the small classes are its multiples, in bytes.
const STEP: usize = 16;
const SMALL: usize = 32;
/// Those of the large classes, which hold header maps above all, are multiples of the
/// largest small one.
const LARGE_STEP: usize = STEP * SMALL;
const LARGE: usize = 7;
const CLASSES: usize = SMALL + LARGE;
/// What is larger is not kept.
const LARGEST: usize = LARGE_STEP * (LARGE + 1);
/// Every block of a class is aligned so.
const ALIGN: usize = 8;
/// How many blocks of a class are kept at most, small and large ones: 264 and 140 KiB in
/// all classes together.
const MOST: usize = 32;
const MOST_LARGE: usize = 8;

struct Heap {
    kept: UnsafeCell<[Kept; CLASSES]>,
}

/// The free blocks of a class: each holds the address of the next one.
#[derive(Clone, Copy)]
struct Kept {
    first: *mut Block,
    count: usize,
}

struct Block {
    next: *mut Block,
}

const EMPTY: Kept = Kept { first: std::ptr::null_mut(), count: 0 };

// SAFETY: a VM has one thread.
unsafe impl Sync for Heap {}

/// The class that has room for it.
fn class(layout: Layout) -> Option<usize> {
    // Nobody asks for no bytes.
    let last = layout.size().saturating_sub(1);
    if layout.align() > ALIGN || last >= LARGEST {
        None
    } else if last < LARGE_STEP {
        Some(last / STEP)
    } else {
        Some(SMALL - 1 + last / LARGE_STEP)
    }
}

/// The size of a class's blocks in bytes.
fn size(class: usize) -> usize {
    if class < SMALL { (class + 1) * STEP } else { (class + 2 - SMALL) * LARGE_STEP }
}

/// How many of its blocks are kept at most.
fn most(class: usize) -> usize {
    if class < SMALL { MOST } else { MOST_LARGE }
}

/// How a block of a class is asked of the standard library.
fn block(class: usize) -> Layout {
    // SAFETY: the alignment is a power of two, the size at most `LARGEST`.
    unsafe { Layout::from_size_align_unchecked(size(class), ALIGN) }
}

/// The class of what nearly everybody asks for.
fn small_class(layout: Layout) -> Option<usize> {
    let last = layout.size().wrapping_sub(1);
    (last < LARGE_STEP && layout.align() <= ALIGN).then_some(last / STEP)
}

impl Heap {
    /// A block that is at hand.
    ///
    /// # Safety
    /// Nobody else looks at what is kept.
    unsafe fn kept(&self, class: usize) -> Option<*mut u8> {
        // SAFETY: one thread, and nothing that is called here comes back.
        let kept = unsafe { &mut *self.kept.get() }.get_mut(class)?;
        let first = kept.first;
        if first.is_null() {
            return None;
        }
        // SAFETY: it was written when the block was kept.
        kept.first = unsafe { (*first).next };
        kept.count -= 1;
        Some(first.cast())
    }

    /// Keeps a block, if there is room for it.
    ///
    /// # Safety
    /// It is of that class, and nobody has it any more.
    unsafe fn keep(&self, class: usize, pointer: *mut u8) -> bool {
        // SAFETY: one thread, and nothing that is called here comes back.
        let Some(kept) = unsafe { &mut *self.kept.get() }.get_mut(class) else { return false };
        if kept.count >= most(class) {
            return false;
        }
        let first = pointer.cast::<Block>();
        // SAFETY: nobody has the block any more, and it has room for an address.
        unsafe { first.write(Block { next: kept.first }) };
        kept.first = first;
        kept.count += 1;
        true
    }

    /// What is not small, and what is not at hand.
    #[inline(never)]
    unsafe fn alloc_else(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class(layout) else {
            // SAFETY: as the caller promises.
            return unsafe { System.alloc(layout) };
        };
        // SAFETY: one thread; its size is not 0.
        unsafe { self.kept(class).unwrap_or_else(|| System.alloc(block(class))) }
    }

    /// What is not small, and what there is no room for.
    #[inline(never)]
    unsafe fn dealloc_else(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: it was asked for like that.
        unsafe {
            match class(layout) {
                None => System.dealloc(pointer, layout),
                Some(class) if self.keep(class, pointer) => {}
                Some(class) => System.dealloc(pointer, block(class)),
            }
        }
    }
}

// Not inlined: once per module it is small, a thousand times it is not.
//
// SAFETY: a block is handed out once until it comes back, as large and as aligned as
// its class, which its layout names both times.
unsafe impl GlobalAlloc for Heap {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            match small_class(layout).and_then(|class| self.kept(class)) {
                Some(block) => block,
                None => self.alloc_else(layout),
            }
        }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if class(layout).is_none() {
            // SAFETY: as the caller promises.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as the caller promises; the block has at least that size.
        unsafe {
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe {
            if !small_class(layout).is_some_and(|class| self.keep(class, pointer)) {
                self.dealloc_else(pointer, layout);
            }
        }
    }

    #[inline(never)]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that it is no overflow.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class(layout), class(new)) {
            // SAFETY: it came from there, and stays there.
            (None, None) => unsafe { System.realloc(pointer, layout, size) },
            (before, after) if before == after => pointer,
            // SAFETY: as the caller promises; both have the bytes that are copied.
            _ => unsafe {
                let to = self.alloc(new);
                if !to.is_null() {
                    to.copy_from_nonoverlapping(pointer, layout.size().min(size));
                    self.dealloc(pointer, layout);
                }
                to
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A block that is out, and the byte that it is full of.
    struct Out {
        pointer: *mut u8,
        layout: Layout,
        mark: u8,
    }

    impl Out {
        fn fill(&self) {
            unsafe { self.pointer.write_bytes(self.mark, self.layout.size()) };
        }

        fn bytes(&self) -> &[u8] {
            unsafe { std::slice::from_raw_parts(self.pointer, self.layout.size()) }
        }
    }

    /// Marsaglia's xorshift.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end as u64) as usize
        }

        fn layout(&mut self) -> Layout {
            let most = [40, 600, 5000][self.below(3)];
            let align = [1, 4, 8, 64][self.below(4)];
            Layout::from_size_align(1 + self.below(most), align).unwrap()
        }
    }

    #[test]
    fn each_size_has_the_smallest_class_that_holds_it() {
        let class = |size| class(Layout::from_size_align(size, 8).unwrap());
        for (wanted, got) in [(1, 16), (16, 16), (17, 32), (512, 512), (513, 1024), (1024, 1024)] {
            assert_eq!(class(wanted).map(size), Some(got), "{wanted}");
        }
        assert_eq!(class(1025).map(size), Some(1536));
        assert_eq!((class(4096), class(4096).map(size)), (Some(CLASSES - 1), Some(4096)));
        assert_eq!(class(4097), None);
        assert_eq!((1..CLASSES).find(|c| size(*c) <= size(c - 1)), None);
    }

    #[test]
    fn no_two_blocks_share_a_byte_and_none_loses_one() {
        let heap = Heap { kept: UnsafeCell::new([EMPTY; CLASSES]) };
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut out: Vec<Out> = Vec::new();
        for turn in 0..60_000 {
            let mark = turn as u8;
            match dice.below(5) {
                0 | 1 if out.len() < 3_000 => {
                    let layout = dice.layout();
                    let zeroed = dice.below(2) == 0;
                    let pointer = unsafe {
                        if zeroed { heap.alloc_zeroed(layout) } else { heap.alloc(layout) }
                    };
                    let new = Out { pointer, layout, mark };
                    assert!(!zeroed || new.bytes().iter().all(|b| *b == 0));
                    new.fill();
                    out.push(new);
                }
                2 | 3 if !out.is_empty() => {
                    let old = out.swap_remove(dice.below(out.len()));
                    assert!(old.bytes().iter().all(|b| *b == old.mark));
                    unsafe { heap.dealloc(old.pointer, old.layout) };
                }
                4 if !out.is_empty() => {
                    let at = dice.below(out.len());
                    let was = out[at].layout;
                    let size = dice.layout().size();
                    let pointer = unsafe { heap.realloc(out[at].pointer, was, size) };
                    let layout = Layout::from_size_align(size, was.align()).unwrap();
                    let new = Out { pointer, layout, mark };
                    let stays = was.size().min(size);
                    assert!(new.bytes()[..stays].iter().all(|b| *b == out[at].mark));
                    new.fill();
                    out[at] = new;
                }
                _ => {}
            }
            assert!(out.iter().all(|o| o.pointer.addr().is_multiple_of(o.layout.align())));
        }
        for old in out {
            assert!(old.bytes().iter().all(|b| *b == old.mark));
            unsafe { heap.dealloc(old.pointer, old.layout) };
        }
        let kept = heap.kept.into_inner();
        let bound = |class| if class < 32 { 32 } else { 8 };
        for (class, kept) in kept.iter().enumerate() {
            assert!(kept.count <= bound(class), "what is kept of class {class} has a bound");
        }
        assert!(kept.iter().any(|kept| kept.count == 32), "and it was reached");
        assert!(kept.iter().skip(32).any(|kept| kept.count == 8), "and it was reached");
    }
}
