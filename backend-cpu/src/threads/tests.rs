use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{num_threads, par_chunks, par_for, set_num_threads};

/// The number of threads is the process's, so the tests that set it take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_task_runs_once_with_any_number_of_threads() {
    let _alone = alone();
    for threads in [1, 2, 3, 8, 2, 1] {
        set_num_threads(threads);
        assert_eq!(num_threads(), threads);
        for tasks in [0, 1, 2, 3, 7, 64, 1000] {
            for _ in 0..50 {
                let runs: Vec<AtomicU32> = (0..tasks).map(|_| AtomicU32::new(0)).collect();
                par_for(tasks, |i| {
                    runs[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(runs.iter().all(|n| n.load(Ordering::Relaxed) == 1), "{threads} threads, {tasks} tasks");
            }
        }
    }
}

#[test]
fn out_of_range_thread_counts_are_clamped() {
    let _alone = alone();
    set_num_threads(0);
    assert_eq!(num_threads(), 1);
    set_num_threads(usize::MAX);
    assert_eq!(num_threads(), super::MAX_THREADS);
    set_num_threads(2);
}

#[test]
fn as_many_threads_take_part_as_were_set() {
    let _alone = alone();
    for threads in [2, 3, 8, 2] {
        set_num_threads(threads);
        // Each task waits until all have begun, which needs a thread for each. While another test has the workers the call
        // is serial, and the wait must end: so a few tries.
        let together = (0..50).any(|_| {
            let begun = AtomicUsize::new(0);
            let ids = Mutex::new(HashSet::new());
            par_for(threads, |_| {
                begun.fetch_add(1, Ordering::Relaxed);
                ids.lock().unwrap().insert(thread::current().id());
                (0..1000).take_while(|_| begun.load(Ordering::Relaxed) < threads).for_each(|_| thread::sleep(Duration::from_micros(50)));
            });
            ids.into_inner().unwrap().len() == threads
        });
        assert!(together, "{threads} threads");
    }
}

#[test]
fn one_thread_means_this_thread() {
    let _alone = alone();
    set_num_threads(1);
    let me = thread::current().id();
    par_for(20, |_| assert_eq!(thread::current().id(), me));
    set_num_threads(2);
}

#[test]
fn a_call_inside_a_task_runs_on_that_task_s_thread() {
    let _alone = alone();
    set_num_threads(3);
    for _ in 0..100 {
        let sum = AtomicUsize::new(0);
        par_for(6, |_| {
            let me = thread::current().id();
            par_for(5, |j| {
                assert_eq!(thread::current().id(), me);
                sum.fetch_add(j, Ordering::Relaxed);
            });
        });
        assert_eq!(sum.into_inner(), 60);
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
    let _alone = alone();
    set_num_threads(3);
    for bad in 0..40 {
        // Tasks are long enough for the workers to take some, so that both sides get to panic.
        let caught = catch_unwind(AssertUnwindSafe(|| {
            par_for(40, |i| {
                thread::sleep(Duration::from_micros(10));
                if i == bad {
                    std::panic::panic_any(i);
                }
            })
        }));
        assert_eq!(caught.unwrap_err().downcast_ref::<usize>(), Some(&bad));

        let all = catch_unwind(|| par_for(8, |i| std::panic::panic_any(i)));
        assert!(*all.unwrap_err().downcast_ref::<usize>().unwrap() < 8);

        let n = AtomicUsize::new(0);
        par_for(10, |_| {
            n.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(n.into_inner(), 10);
    }
}

#[test]
fn callers_in_many_threads_do_not_disturb_each_other() {
    let _alone = alone();
    let stop = AtomicBool::new(false);
    thread::scope(|s| {
        let callers: Vec<_> = (0..6_usize)
            .map(|c| {
                s.spawn(move || {
                    for k in 0..2000 {
                        let tasks = (c + k) % 9;
                        // Plain memory: a caller that went on too early would see old values.
                        let mut out = vec![0_usize; tasks];
                        let cells: Vec<Mutex<&mut usize>> = out.iter_mut().map(Mutex::new).collect();
                        par_for(tasks, |i| **cells[i].lock().unwrap() = i * k + c);
                        drop(cells);
                        assert!(out.iter().enumerate().all(|(i, &v)| v == i * k + c));
                    }
                })
            })
            .collect();
        s.spawn(|| {
            for n in [1, 2, 8, 3].iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                set_num_threads(*n);
                thread::sleep(Duration::from_micros(200));
            }
        });
        for caller in callers {
            caller.join().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
    set_num_threads(2);
}

#[test]
fn long_tasks_and_long_pauses_send_both_sides_to_sleep_and_wake_them() {
    let _alone = alone();
    set_num_threads(2);
    for k in 0..100_u64 {
        let n = AtomicUsize::new(0);
        par_for(2, |i| {
            // The longer task falls to either side; the other waits past its spin.
            thread::sleep(Duration::from_micros(if i == 0 { 20 } else { 400 }));
            n.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(n.into_inner(), 2);
        // Around the time when idle workers go to sleep.
        thread::sleep(Duration::from_micros(3 * k));
    }
}

#[test]
fn chunks_depend_on_length_and_grain_alone() {
    let _alone = alone();
    for (len, grain) in [(0, 4), (1, 4), (4, 4), (5, 4), (103, 10), (7, 0), (7, usize::MAX), (1000, 1)] {
        let mut expected = Vec::new();
        let mut start = 0_usize;
        while start < len {
            let end = len.min(start.saturating_add(grain.max(1)));
            expected.push(start..end);
            start = end;
        }
        for threads in [1, 2, 3, 8] {
            set_num_threads(threads);
            let seen = Mutex::new(Vec::new());
            par_chunks(len, grain, |range| seen.lock().unwrap().push(range));
            let mut seen = seen.into_inner().unwrap();
            seen.sort_by_key(|r| r.start);
            assert_eq!(seen, expected, "{len} by {grain} with {threads} threads");
        }
    }
    set_num_threads(2);
}

#[test]
fn a_sum_over_chunks_has_the_same_bits_with_any_number_of_threads() {
    let _alone = alone();
    let data: Vec<f32> = (0..100_003_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 * 1e-5).collect();
    let grain = 1000;
    let sums: Vec<u32> = [1, 2, 3, 8]
        .map(|threads| {
            set_num_threads(threads);
            let parts: Vec<AtomicU32> = (0..data.len().div_ceil(grain)).map(|_| AtomicU32::new(0)).collect();
            par_chunks(data.len(), grain, |r| {
                let sum: f32 = data[r.clone()].iter().sum();
                parts[r.start / grain].store(sum.to_bits(), Ordering::Relaxed);
            });
            parts.iter().map(|p| f32::from_bits(p.load(Ordering::Relaxed))).sum::<f32>().to_bits()
        })
        .to_vec();
    assert!(sums.iter().all(|&s| s == sums[0]));
    set_num_threads(2);
}
