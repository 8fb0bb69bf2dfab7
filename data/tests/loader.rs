//! Loaders and samplers. The order for a seed is compared with PyTorch's in the conformance suite.

use rushlight_data::{DataLoader, Dataset, RandomSampler, Sampler, Subset, SubsetRandomSampler, TensorDataset, random_split};
use rushlight_tensor::{Error, Generator, Result, Tensor};

fn all(loader: &DataLoader<std::ops::Range<usize>>) -> Result<Vec<Vec<i64>>> {
    loader.iter()?.map(|b| b?.to_vec::<i64>()).collect()
}

#[test]
fn batches_in_order() -> Result<()> {
    let loader = DataLoader::new(0..7).batch_size(3);
    assert_eq!(all(&loader)?, [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
    assert_eq!((loader.len(), loader.iter()?.size_hint().0), (3, 3));
    let loader = DataLoader::new(0..7).batch_size(3).drop_last(true);
    assert_eq!(all(&loader)?, [vec![0, 1, 2], vec![3, 4, 5]]);
    assert!(DataLoader::new(0..7).batch_size(0).iter().is_err());
    Ok(())
}

#[test]
fn workers_give_the_same_batches() -> Result<()> {
    let loader = |workers| DataLoader::new(0..1000).batch_size(7).shuffle(true).generator(Generator::new(5)).workers(workers);
    let (plain, threaded) = (loader(0), loader(3));
    for _ in 0..3 {
        assert_eq!(all(&plain)?, all(&threaded)?);
    }
    let mut seen: Vec<i64> = all(&threaded)?.concat();
    seen.sort_unstable();
    assert_eq!(seen, (0..1000).collect::<Vec<_>>());
    Ok(())
}

struct Faulty;

impl Dataset for Faulty {
    type Item = i64;
    fn len(&self) -> usize {
        10
    }
    fn get(&self, index: usize) -> Result<i64> {
        match index {
            4 => Err(Error::io("item 4", "unreadable")),
            7 => panic!("item 7"),
            i => Ok(i as i64),
        }
    }
}

#[test]
fn errors_and_panics_of_items_arrive_in_their_batch() -> Result<()> {
    let loader = DataLoader::new(Faulty).batch_size(2).workers(2);
    let results: Vec<_> = loader.iter()?.collect();
    assert_eq!(results.len(), 5);
    assert_eq!(results[2].as_ref().unwrap_err().to_string(), "item 4: unreadable");
    assert!(results[3].as_ref().unwrap_err().to_string().contains("panicked while making batch 3"));
    assert!(results[4].is_ok());
    // A pass that is left early stops its workers.
    drop(loader.iter()?.take(1).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn subsets_and_splits() -> Result<()> {
    let parts = random_split(0..10, &[7, 3], Some(&Generator::new(1)))?;
    let mut items: Vec<usize> = parts.iter().flat_map(|p| p.indices().to_vec()).collect();
    items.sort_unstable();
    assert_eq!(items, (0..10).collect::<Vec<_>>());
    let message = random_split(0..5, &[2, 2], None).err().unwrap().to_string();
    assert!(message.contains("[2, 2] do not sum up to the dataset's 5"), "{message}");
    assert!(Subset::new(std::sync::Arc::new(0..3), vec![3]).is_err());

    let data = TensorDataset::new([Tensor::arange(0, 6, 1, ())?.reshape([3, 2])?, Tensor::arange(0, 3, 1, ())?])?;
    assert_eq!(data.batch(&[2, 0])?[0].to_vec::<i64>()?, [4, 5, 0, 1]);
    assert_eq!(data.get(1)?[1].item::<i64>()?, 1);
    assert!(TensorDataset::new([Tensor::zeros([2], ())?, Tensor::zeros([3], ())?]).is_err());
    Ok(())
}

#[test]
fn samplers() -> Result<()> {
    let order = |s: &dyn Sampler| s.pass().and_then(Iterator::collect::<Result<Vec<usize>>>);
    let sampler = RandomSampler::new(10).num_samples(25).generator(Some(Generator::new(0)));
    assert_eq!(order(&sampler)?.len(), 25);
    let drawn = order(&RandomSampler::new(3).num_samples(100).replacement(true))?;
    assert!(drawn.len() == 100 && drawn.iter().all(|&i| i < 3));
    let mut subset = order(&SubsetRandomSampler::new(vec![5, 6, 7], None))?;
    subset.sort_unstable();
    assert_eq!(subset, [5, 6, 7]);
    Ok(())
}

#[test]
fn a_pass_goes_on_where_it_was_saved() -> Result<()> {
    let rest = |batches: &mut dyn Iterator<Item = Result<Tensor>>| batches.map(|b| b?.to_vec::<i64>()).collect::<Result<Vec<_>>>();
    for workers in [0, 2] {
        for taken in [0, 1, 4, 7] {
            // The generator of the loader is the only one that is drawn from: other tests use the default one at the same time.
            let loader = |g: Generator| DataLoader::new(0..20usize).batch_size(3).shuffle(true).generator(g).workers(workers);
            let first = loader(Generator::new(5));
            let mut batches = first.iter()?;
            batches.by_ref().take(taken).try_for_each(|b| b.map(|_| ()))?;
            let second = loader(Generator::new(6));
            let mut again = second.resume(&batches.state())?;
            assert_eq!(again.size_hint(), batches.size_hint());
            assert_eq!(rest(&mut again)?, rest(&mut batches)?);
            // And so do the passes that follow.
            assert_eq!(all(&second)?, all(&first)?);
        }
    }
    let loader = DataLoader::new(0..20usize);
    for bytes in [vec![], vec![0; 8], vec![255; 8 + Generator::STATE_LEN]] {
        assert!(loader.resume(&bytes).err().unwrap().to_string().contains("state"));
    }
    Ok(())
}
