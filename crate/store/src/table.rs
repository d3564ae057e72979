//! The page table: page number to location, persistent and copy-on-write.
//!
//! A radix tree of 64-way nodes behind `Arc`s. A clone is one `Arc`, so a snapshot costs nothing to open; a change copies
//! the nodes on its path only where somebody else still holds them, and changes them in place where nobody does.
//!
//! T1  A table that nobody changes reads the same for ever.
//! T2  The height never grows past what `u32` page numbers need, so descents are bounded.

use alloc::boxed::Box;
use alloc::sync::Arc;

use crate::ids::{PageCount, PageNo};
use crate::location::Location;

const FAN_BITS: u32 = 6;
const FAN: usize = 1 << FAN_BITS;
/// Levels that cover 32 bits: 6 * 6 = 36.
const HEIGHT_MAX: u32 = 6;

/// Which version of each page is the current one.
#[derive(Clone)]
pub(crate) struct Table {
    root: Node,
    /// Levels below the root; a leaf at 0.
    height: u32,
}

#[derive(Clone)]
enum Node {
    Empty,
    Leaf(Arc<Leaf>),
    Inner(Arc<Inner>),
}

#[derive(Clone)]
struct Leaf {
    locations: [Location; FAN],
}

#[derive(Clone)]
struct Inner {
    children: Box<[Node; FAN]>,
}

impl Default for Table {
    fn default() -> Self {
        Self { root: Node::Empty, height: 0 }
    }
}

/// Which child of a node at this height leads to the page at this index.
#[expect(clippy::cast_possible_truncation, reason = "masked to six bits")]
const fn digit(index: u32, height: u32) -> usize {
    ((index as u64 >> (FAN_BITS * height)) & (FAN as u64 - 1)) as usize
}

/// How many pages a node at this height covers.
const fn span(height: u32) -> u64 {
    1 << (FAN_BITS * (height + 1))
}

impl Table {
    /// The location of a page; `None` if it was never written.
    pub fn get(&self, page: PageNo) -> Option<Location> {
        let index = page.index();
        if u64::from(index) >= span(self.height) {
            return None;
        }
        let mut node = &self.root;
        let mut height = self.height;
        loop {
            match node {
                Node::Empty => return None,
                Node::Leaf(leaf) => {
                    return leaf.locations.get(digit(index, 0)).copied().filter(|location| location.is_some());
                }
                Node::Inner(inner) => node = inner.children.get(digit(index, height))?,
            }
            height = height.saturating_sub(1);
        }
    }

    /// Sets the location of a page and gives the one it had.
    pub fn set(&mut self, page: PageNo, location: Location) -> Option<Location> {
        let index = page.index();
        while u64::from(index) >= span(self.height) && self.height < HEIGHT_MAX {
            self.grow();
        }
        let mut node = &mut self.root;
        let mut height = self.height;
        while height > 0 {
            let inner = if let Node::Inner(inner) = node {
                inner
            } else {
                *node = Node::Inner(Arc::new(Inner { children: Box::new([const { Node::Empty }; FAN]) }));
                let Node::Inner(inner) = node else { return None };
                inner
            };
            node = Arc::make_mut(inner).children.get_mut(digit(index, height))?;
            height -= 1;
        }
        let leaf = if let Node::Leaf(leaf) = node {
            leaf
        } else {
            *node = Node::Leaf(Arc::new(Leaf { locations: [Location::NONE; FAN] }));
            let Node::Leaf(leaf) = node else { return None };
            leaf
        };
        let place = Arc::make_mut(leaf).locations.get_mut(digit(index, 0))?;
        Some(core::mem::replace(place, location)).filter(|location| location.is_some())
    }

    fn grow(&mut self) {
        if !matches!(self.root, Node::Empty) {
            let mut children = Box::new([const { Node::Empty }; FAN]);
            if let Some(first) = children.first_mut() {
                *first = core::mem::replace(&mut self.root, Node::Empty);
            }
            self.root = Node::Inner(Arc::new(Inner { children }));
        }
        self.height += 1;
    }

    /// Forgets every page past `count`, and tells each location that it forgot.
    pub fn truncate(&mut self, count: PageCount, mut forgotten: impl FnMut(Location)) {
        truncate_node(&mut self.root, self.height, 0, u64::from(count.0), &mut forgotten);
    }

    /// Every page that was written, in order.
    pub fn for_each(&self, mut visit: impl FnMut(PageNo, Location)) {
        visit_node(&self.root, self.height, 0, &mut visit);
    }

    /// What it holds in memory, if nothing were shared.
    pub fn memory_bytes(&self) -> u64 {
        node_bytes(&self.root)
    }
}

// The recursions below are as deep as the tree is high, at most HEIGHT_MAX.

fn truncate_node(node: &mut Node, height: u32, first: u64, count: u64, forgotten: &mut impl FnMut(Location)) {
    if first + span(height) <= count {
        return;
    }
    if first >= count {
        visit_node(node, height, 0, &mut |_, location| forgotten(location));
        *node = Node::Empty;
        return;
    }
    match node {
        Node::Empty => {}
        Node::Leaf(leaf) => {
            let kept = usize::try_from(count - first).unwrap_or(FAN);
            let leaf = Arc::make_mut(leaf);
            for location in leaf.locations.iter_mut().skip(kept).filter(|location| location.is_some()) {
                forgotten(core::mem::replace(location, Location::NONE));
            }
        }
        Node::Inner(inner) => {
            let step = span(height.saturating_sub(1));
            let mut child_first = first;
            for child in Arc::make_mut(inner).children.iter_mut() {
                truncate_node(child, height.saturating_sub(1), child_first, count, forgotten);
                child_first += step;
            }
        }
    }
}

fn visit_node(node: &Node, height: u32, first: u64, visit: &mut impl FnMut(PageNo, Location)) {
    match node {
        Node::Empty => {}
        Node::Leaf(leaf) => {
            for (index, &location) in (first..).zip(&leaf.locations) {
                if location.is_some()
                    && let Some(page) = u32::try_from(index).ok().and_then(PageNo::from_index)
                {
                    visit(page, location);
                }
            }
        }
        Node::Inner(inner) => {
            let step = span(height.saturating_sub(1));
            for (child_index, child) in (0..).zip(inner.children.iter()) {
                visit_node(child, height.saturating_sub(1), first + child_index * step, visit);
            }
        }
    }
}

fn node_bytes(node: &Node) -> u64 {
    // An Arc keeps two counts before its value.
    const COUNTS: usize = 2 * size_of::<usize>();
    match node {
        Node::Empty => 0,
        Node::Leaf(_) => (size_of::<Leaf>() + COUNTS) as u64,
        Node::Inner(inner) => {
            let own = size_of::<Inner>() + size_of::<[Node; FAN]>() + COUNTS;
            own as u64 + inner.children.iter().map(node_bytes).sum::<u64>()
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::*;
    use crate::ids::CommitId;
    use crate::location::FileSlot;

    fn at(offset: u64) -> Location {
        Location::new(FileSlot(1), offset, 1, CommitId(1))
    }

    fn page(number: u32) -> PageNo {
        PageNo::new(number).unwrap()
    }

    #[test]
    fn agrees_with_a_map_and_clones_stay_as_they_were() {
        let mut table = Table::default();
        let mut model = BTreeMap::new();
        let mut kept: Vec<(Table, BTreeMap<u32, Location>)> = Vec::new();
        let mut state = 0x1234_5678_u64;
        for step in 0..20_000u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = 1 + (state >> 40) as u32 % if step % 3 == 0 { u32::MAX >> 9 } else { 5000 };
            if step % 500 == 499 {
                let low = number % 6000;
                let mut count = 0;
                table.truncate(PageCount(low), |_| count += 1);
                let before = model.len();
                model.retain(|&number, _| number <= low);
                assert_eq!(count, before - model.len());
            } else {
                assert_eq!(table.set(page(number), at(step)), model.insert(number, at(step)));
            }
            if step % 1000 == 0 {
                kept.push((table.clone(), model.clone()));
            }
        }
        kept.push((table, model));
        for (table, model) in kept {
            let mut all = Vec::new();
            table.for_each(|page, location| all.push((page.get(), location)));
            assert_eq!(all, model.iter().map(|(&number, &location)| (number, location)).collect::<Vec<_>>());
            assert!(model.iter().all(|(&number, &location)| table.get(page(number)) == Some(location)));
        }
    }

    #[test]
    fn the_last_page_number_has_a_place() {
        let mut table = Table::default();
        table.set(page(u32::MAX), at(5));
        assert_eq!(table.get(page(u32::MAX)), Some(at(5)));
        assert_eq!(table.get(page(1)), None);
    }

    #[test]
    fn a_dense_table_takes_less_than_24_bytes_a_page() {
        let mut table = Table::default();
        for number in 1..=1_000_000 {
            table.set(page(number), at(1));
        }
        assert!(table.memory_bytes() <= 24 * 1_000_000, "{} bytes", table.memory_bytes());
    }
}
