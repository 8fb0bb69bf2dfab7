//! Memory of nodes that are gone, for the next ones.
//!
//! A training step makes thousands of nodes and drops them together, which is the case that allocators are slowest at: it is a good part of what recording costs.

use std::cell::RefCell;

use rushlight_tensor::Trace;

use super::node::Node;

/// How many are kept in each thread, 1.5 MiB of them.
const MOST: usize = 4096;

thread_local! {
    static SPARE: RefCell<Vec<Trace>> = const { RefCell::new(Vec::new()) };
}

/// The trace of a blank node that nobody else holds.
#[inline]
pub(super) fn take() -> Trace {
    SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten().unwrap_or_else(|| Trace::new(Node::BLANK))
}

/// Drops a trace; if it is a node's, and nobody else holds it, its memory is kept.
pub(super) fn give_back(mut trace: Trace) {
    let Some(node) = trace.get_mut::<Node>() else { return };
    // What the node holds may come here in its turn, so it is dropped first.
    *node = Node::BLANK;
    // A thread that ends has no list any more.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < MOST {
            spare.push(trace);
        }
    });
}

#[cfg(test)]
mod tests {
    use rushlight_tensor::Tensor;

    use super::super::node::fresh;
    use super::*;

    #[test]
    fn memory_is_blank_when_it_is_used_again() {
        let held = Trace::new(Node::BLANK);
        let mut trace = take();
        let node = fresh(&mut trace);
        (node.number, node.below) = (7, Some(held.clone()));
        node.edges.push(Some(held.clone()));
        node.grad = Some(Tensor::new(1.0f32).unwrap()).into();
        let place = std::ptr::from_ref::<Node>(node);

        let shared = trace.clone();
        give_back(shared);
        assert_eq!(held.holders(), 3, "a node that others hold stays as it is");
        give_back(trace);
        assert_eq!(held.holders(), 1, "what the node held is dropped at once");

        let mut again = take();
        let node = fresh(&mut again);
        assert!(std::ptr::eq(place, node));
        assert!(node.number == 0 && node.below.is_none() && node.edges.is_empty() && node.grad.get_mut().unwrap().is_none());
    }
}
