use super::class;
use super::{ALIGN, Block};

#[test]
fn classes_hold_their_sizes_and_waste_little() {
    let edges = (0..40).flat_map(|k| (1..=16_usize).map(move |m| m << k));
    let sizes = (1..40_000).chain(edges.flat_map(|n| [n - 1, n, n + 1]).filter(|&n| n > 0));
    for bytes in sizes {
        let class = class::of(bytes).unwrap();
        let size = class::size(class);
        assert!(size >= bytes && size.is_multiple_of(ALIGN), "{bytes}: {size}");
        assert!(size - bytes < ALIGN || (size - bytes) * 8 <= bytes, "{bytes}: {size}");
        // The smallest class that will do, and one whose own size is in it.
        assert!(class == 0 || class::size(class - 1) < bytes, "{bytes}");
        assert_eq!(class::of(size), Some(class));
    }
    assert_eq!(class::size(class::LOCAL - 1), 16 << 10);
}

#[test]
fn absurd_sizes_are_errors() {
    for bytes in [usize::MAX, usize::MAX - 63, isize::MAX as usize, 1 << 60, (1 << 47) + 1, 1 << 47] {
        assert_eq!(Block::new(bytes).unwrap_err().bytes, bytes);
        assert!(Block::zeroed(bytes).is_err());
    }
    let e = rushlight_backend::Error::from(Block::new(usize::MAX).unwrap_err());
    assert_eq!(e.kind(), rushlight_backend::ErrorKind::OutOfMemory);
    assert_eq!(e.to_string(), format!("alloc: cannot allocate {} bytes of memory", usize::MAX));
}

#[test]
fn blocks_are_aligned_and_writable_to_the_end() {
    let sizes = [0, 1, 2, 63, 64, 65, 4096, 4097, 16 << 10, (16 << 10) + 1, 1 << 20, (2 << 20) - 1, 2 << 20, (2 << 20) + 1, (19 << 20) + 5];
    for _ in 0..3 {
        let mut blocks: Vec<Block> = sizes.iter().map(|&n| Block::new(n).unwrap()).collect();
        for (i, (block, &n)) in blocks.iter_mut().zip(&sizes).enumerate() {
            assert_eq!(block.len(), n);
            assert_eq!(block.is_empty(), n == 0);
            assert_eq!(block.as_ptr() as usize % ALIGN, 0);
            assert_eq!(block.as_mut_ptr().cast_const(), block.as_ptr());
            block.as_mut_slice().fill(i as u8 + 1);
        }
        for (i, block) in blocks.iter().enumerate() {
            assert!(block.as_slice().iter().all(|&b| b == i as u8 + 1));
        }
    }
}

#[test]
fn zeroed_is_zero_after_recycling() {
    for n in [1, 64, 1000, 5000, 40_000, 1 << 20, 5 << 20] {
        for _ in 0..4 {
            Block::new(n).unwrap().as_mut_slice().fill(0xff);
            assert!(Block::zeroed(n).unwrap().as_slice().iter().all(|&b| b == 0));
        }
    }
}
