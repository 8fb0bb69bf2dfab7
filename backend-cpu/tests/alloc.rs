//! The allocator as a whole: its state is the process's, so these tests have a process of their own, and take turns in it.

use std::cell::RefCell;
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rushlight_backend::op::Attention;
use rushlight_backend::{Arg, Backend, DType, Layout, Meta, Op};
use rushlight_backend_cpu::CPU;
use rushlight_backend_cpu::alloc::{Block, empty_cache, set_cache_limit, stats};

const MIB: usize = 1 << 20;

/// One test's turn. A test's thread may outlive it for a moment, so it leaves nothing in its own lists.
struct Turn {
    _guard: MutexGuard<'static, ()>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        set_cache_limit(None);
        empty_cache();
    }
}

fn alone() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    Turn { _guard: TURN.lock().unwrap_or_else(PoisonError::into_inner) }
}

/// A generator of test data (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    /// From 1 byte to 4 MiB, small ones more often.
    fn size(&mut self) -> usize {
        let k = self.below(23);
        1 + self.below(1 << k)
    }
}

/// Marks a block at both ends.
fn sign(block: &mut Block, mark: u8) {
    let bytes = block.as_mut_slice();
    bytes[0] = mark;
    bytes[bytes.len() - 1] = mark;
}

fn check(block: &Block, mark: u8) {
    assert_eq!((block.as_slice()[0], block.as_slice()[block.len() - 1]), (mark, mark));
}

#[test]
fn counts_follow_what_is_done() {
    let _alone = alone();
    let before = stats();
    let block = Block::new(10 * MIB).unwrap();
    let small = Block::new(1000).unwrap();
    let during = stats();
    assert_eq!(during.in_use - before.in_use, 10 * MIB + 1024);
    assert!(during.peak >= during.in_use);
    assert_eq!(during.allocations - before.allocations, 2);
    assert_eq!(during.system_allocations - before.system_allocations, 2);
    drop((block, small));
    let after = stats();
    assert_eq!(after.in_use, before.in_use);
    assert_eq!(after.cached - before.cached, 10 * MIB + 1024);
    assert_eq!(after.peak, during.peak);
    // The same size class comes from the cache; nothing at all is taken for an empty block.
    let again = (Block::new(10 * MIB - 1).unwrap(), Block::new(970).unwrap(), Block::new(0).unwrap());
    assert_eq!(stats().system_allocations, during.system_allocations);
    assert_eq!(stats().allocations - during.allocations, 2);
    drop(again);
    empty_cache();
    assert_eq!(stats().cached, before.cached);
}

#[test]
fn a_loop_takes_no_new_memory() {
    let _alone = alone();
    // The sizes of a step: forward keeps all of them, backward drops them in reverse.
    let step = || {
        let sizes = [100, 4000, 12_000, 70_000, MIB + 1, 3 * MIB, 100, 256, 256, 20 * MIB];
        let mut kept: Vec<Block> = (0..20).flat_map(|_| sizes).map(|n| Block::new(n).unwrap()).collect();
        while let Some(mut block) = kept.pop() {
            sign(&mut block, 1);
        }
    };
    step();
    step();
    let first = stats();
    for _ in 0..50 {
        step();
    }
    let last = stats();
    assert_eq!(last.system_allocations, first.system_allocations);
    assert_eq!((last.in_use, last.cached, last.peak), (first.in_use, first.cached, first.peak));
}

#[test]
fn the_cache_keeps_to_its_limit() {
    let _alone = alone();
    let keep = |n: usize| drop((0..n).map(|_| Block::new(4 * MIB).unwrap()).collect::<Vec<_>>());
    set_cache_limit(Some(20 * MIB));
    keep(10);
    assert_eq!(stats().cached / MIB, 20);
    set_cache_limit(Some(9 * MIB));
    assert_eq!(stats().cached / MIB, 8);
    // What comes last stays, what has lain longest goes.
    drop(Block::new(8 * MIB).unwrap());
    let before = stats().system_allocations;
    drop(Block::new(8 * MIB).unwrap());
    assert_eq!(stats().system_allocations, before);
    drop(Block::new(4 * MIB).unwrap());
    assert_eq!(stats().system_allocations, before + 1);
    // By default the most that was in use is kept.
    set_cache_limit(None);
    keep(100);
    assert!(stats().cached >= 400 * MIB);
    set_cache_limit(Some(0));
    drop(Block::new(4 * MIB).unwrap());
    assert!(stats().cached < MIB);
}

#[test]
fn blocks_freed_in_other_threads_come_back() {
    let _alone = alone();
    let sizes = [64, 640, 4096, 16_000, 40_000, 2 * MIB];
    let round = || {
        let (send, receive) = mpsc::channel::<(Block, u8)>();
        let consumer = thread::spawn(move || receive.into_iter().for_each(|(block, mark)| check(&block, mark)));
        for i in 0..3000 {
            let mut block = Block::new(sizes[i % sizes.len()]).unwrap();
            sign(&mut block, i as u8);
            send.send((block, i as u8)).unwrap();
            // Bounds what is under way, so that rounds need the same memory.
            if i % 60 == 59 {
                thread::yield_now();
            }
        }
        drop(send);
        consumer.join().unwrap();
    };
    (0..3).for_each(|_| round());
    // All that the ended threads had in their lists is free for others, and known to be so.
    assert_eq!(stats().in_use, 0);
    empty_cache();
    assert_eq!(stats().cached, 0);
}

#[test]
fn threads_share_without_mixing_blocks_up() {
    let _alone = alone();
    let pool: Vec<Mutex<Option<(Block, u8)>>> = (0..64).map(|_| Mutex::new(None)).collect();
    thread::scope(|s| {
        let pool = &pool;
        let work = |t: u64| {
            move || {
                let mut random = Random(t + 1);
                for i in 0..20_000 {
                    let mark = (i as u8) ^ (t as u8) << 5;
                    let mut block = Block::new(random.size()).unwrap();
                    sign(&mut block, mark);
                    // Each block lies in the pool for a while and is mostly dropped by another thread.
                    let old = pool[random.below(64)].lock().unwrap().replace((block, mark));
                    if let Some((block, mark)) = old {
                        check(&block, mark);
                    }
                    if i % 5000 == 0 {
                        empty_cache();
                    }
                }
            }
        };
        // Joined, not only left to the scope, which does not wait for the threads' lists to be handed over.
        let threads: Vec<_> = (0..6).map(|t| s.spawn(work(t))).collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
    });
    assert!(stats().in_use > 0);
    drop(pool);
    assert_eq!(stats().in_use, 0);
    empty_cache();
    assert_eq!(stats().cached, 0);
}

#[test]
fn blocks_may_outlive_their_thread_s_lists() {
    let _alone = alone();
    thread_local! {
        static LATE: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
    }
    // Of two values with destructors, whichever is used first: one of these threads drops its blocks after its lists are gone.
    for lists_first in [true, false] {
        thread::spawn(move || {
            if lists_first {
                drop(Block::new(100).unwrap());
            }
            LATE.with_borrow_mut(|late| late.push(Block::new(100).unwrap()));
            LATE.with_borrow_mut(|late| late.push(Block::new(3 * MIB).unwrap()));
        })
        .join()
        .unwrap();
    }
    assert_eq!(stats().in_use, 0);
    empty_cache();
    assert_eq!(stats().cached, 0);
}

/// The scores of 3072 queries and keys would take 36 MiB (twice that backward). What an operation has used lies in the cache afterwards.
#[test]
#[cfg_attr(miri, ignore)]
fn attention_without_scores() {
    let _turn = alone();
    // The workers would keep small blocks in lists of their own, and other tests count all blocks.
    rushlight_backend_cpu::threads::set_num_threads(1);
    let (backend, rows): (&dyn Backend, usize) = (&CPU, 3072);
    let (layout, of_rows) = (Layout::contiguous(&[1, 1, rows, 8]), Layout::contiguous(&[1, 1, rows]));
    let memory: Vec<f32> = (0..rows * 8).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect();
    let x = backend.upload_elements(&memory).unwrap();
    empty_cache();
    let reserved = || stats().in_use + stats().cached;
    let before = reserved();
    let meta = |l: &Layout| Meta::new(l.shape(), DType::F32);
    let forward = Op::from(Attention::Forward { scale: 0.35, causal: true });
    let mut inputs = [&x, &x, &x].map(|s| Arg::borrowed(s, &layout, DType::F32));
    let out = backend.run(&forward, &mut inputs, &[meta(&layout), meta(&of_rows)]).unwrap().unwrap();
    let grad = Op::from(Attention::Grad { scale: 0.35, causal: true });
    let mut inputs = [(&x, &layout), (&x, &layout), (&x, &layout), (&x, &layout), (&out[0], &layout), (&out[1], &of_rows)]
        .map(|(s, l)| Arg::borrowed(s, l, DType::F32));
    let grads = backend.run(&grad, &mut inputs, &[meta(&layout), meta(&layout), meta(&layout)]).unwrap().unwrap();
    assert_eq!(grads.len(), 3);
    let grown = reserved() - before;
    assert!(grown < 12 * MIB, "{grown} bytes");
}
