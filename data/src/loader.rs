//! Batches, one after the other, made ahead by worker threads if wanted.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rushlight_tensor::{Error, Generator, Result, default_generator};

use crate::{Collate, Dataset, RandomSampler, Sampler, SequentialSampler};

type BatchOf<D> = <<D as Dataset>::Item as Collate>::Batch;

/// Iterates over a dataset in batches. PyTorch's defaults: batches of 1, in order, the last one perhaps smaller, no workers.
pub struct DataLoader<D> {
    dataset: Arc<D>,
    batch_size: usize,
    shuffle: bool,
    drop_last: bool,
    workers: usize,
    prefetch: usize,
    sampler: Option<Box<dyn Sampler>>,
    generator: Option<Generator>,
}

impl<D: Dataset + 'static> DataLoader<D> {
    /// A loader over a dataset.
    pub fn new(dataset: D) -> DataLoader<D> {
        DataLoader {
            dataset: Arc::new(dataset),
            batch_size: 1,
            shuffle: false,
            drop_last: false,
            workers: 0,
            prefetch: 2,
            sampler: None,
            generator: None,
        }
    }

    /// The number of items in a batch.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// A new random order for every pass.
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = shuffle;
        self
    }

    /// Leave out a last batch that is not full.
    pub fn drop_last(mut self, drop_last: bool) -> Self {
        self.drop_last = drop_last;
        self
    }

    /// Threads that make batches ahead; with 0 each batch is made when it is asked for. The batches are the same.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Batches that each worker makes ahead (2 unless given, at least 1).
    pub fn prefetch(mut self, batches: usize) -> Self {
        self.prefetch = batches.max(1);
        self
    }

    /// An order of one's own; excludes `shuffle`.
    pub fn sampler(mut self, sampler: impl Sampler + 'static) -> Self {
        self.sampler = Some(Box::new(sampler));
        self
    }

    /// Draw from this generator instead of the default one.
    pub fn generator(mut self, generator: Generator) -> Self {
        self.generator = Some(generator);
        self
    }

    /// The dataset.
    pub fn dataset(&self) -> &D {
        &self.dataset
    }

    /// The number of batches in a pass.
    pub fn len(&self) -> usize {
        let n = self.sampler.as_ref().map_or(self.dataset.len(), |s| s.len());
        let size = self.batch_size.max(1);
        if self.drop_last { n / size } else { n.div_ceil(size) }
    }

    /// Whether a pass has no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins a pass over the dataset.
    ///
    /// # Errors
    /// If the batch size is 0, or both a sampler and `shuffle` are given.
    pub fn iter(&self) -> Result<Batches<D>> {
        self.begin(0)
    }

    /// Goes on with a pass whose [`state`](Batches::state) was saved: begins it again, from the random state that it began with, and leaves out the batches
    /// that were taken, of which only the order is drawn. The default generator is afterwards as before; a generator of the loader's own is where the pass
    /// has left it.
    ///
    /// The batches are those that the pass would have given if its order follows from the generator of the loader, or the default one: a sampler with another
    /// generator must be set back by whoever made it.
    ///
    /// # Errors
    /// If the bytes are no state of a pass, or as [`iter`](DataLoader::iter).
    pub fn resume(&self, state: &[u8]) -> Result<Batches<D>> {
        let wrong = || Error::value("DataLoader", format!("resume: {} bytes are no state of a pass", state.len()));
        let (taken, random) = state.split_first_chunk::<8>().ok_or_else(wrong)?;
        let taken = usize::try_from(u64::from_le_bytes(*taken)).ok().filter(|&n| n <= self.len()).ok_or_else(wrong)?;
        let generator = self.generator.as_ref().unwrap_or(default_generator());
        let now = generator.get_state();
        generator.set_state(random)?;
        let batches = self.begin(taken);
        if self.generator.is_none() {
            generator.set_state(&now)?;
        }
        batches
    }

    /// Begins a pass and leaves out its first batches.
    fn begin(&self, skip: usize) -> Result<Batches<D>> {
        if self.batch_size == 0 {
            return Err(Error::value("DataLoader", "the batch size must not be 0"));
        }
        if self.shuffle && self.sampler.is_some() {
            return Err(Error::value("DataLoader", "a sampler and `shuffle` exclude each other"));
        }
        let generator = self.generator.as_ref().unwrap_or(default_generator());
        let random = generator.get_state();
        // PyTorch draws a base seed for its workers at the beginning of every pass, whether it has workers or not.
        generator.lock().next_u64();
        let order = match &self.sampler {
            Some(sampler) => sampler.pass()?,
            None if self.shuffle => RandomSampler::new(self.dataset.len()).generator(self.generator.clone()).pass()?,
            None => SequentialSampler(self.dataset.len()).pass()?,
        };
        let mut groups = Groups { order, size: self.batch_size, drop_last: self.drop_last };
        for _ in 0..skip {
            groups.next().transpose()?;
        }
        let inner = match self.workers {
            0 => Inner::Here { dataset: self.dataset.clone(), groups },
            n => Inner::Workers(Workers::start(self.dataset.clone(), groups, n, self.prefetch)),
        };
        Ok(Batches { taken: skip, remaining: self.len().saturating_sub(skip), random, inner })
    }
}

/// Item numbers, a batch at a time.
struct Groups {
    order: Box<dyn Iterator<Item = Result<usize>> + Send>,
    size: usize,
    drop_last: bool,
}

impl Iterator for Groups {
    type Item = Result<Vec<usize>>;

    fn next(&mut self) -> Option<Self::Item> {
        let indices: Result<Vec<usize>> = self.order.by_ref().take(self.size).collect();
        match indices {
            Ok(indices) if indices.is_empty() || (self.drop_last && indices.len() < self.size) => None,
            other => Some(other),
        }
    }
}

/// One pass over a dataset: an iterator of batches.
pub struct Batches<D: Dataset + 'static> {
    taken: usize,
    remaining: usize,
    /// The state of the generator when the pass began.
    random: Vec<u8>,
    inner: Inner<D>,
}

enum Inner<D: Dataset + 'static> {
    Here { dataset: Arc<D>, groups: Groups },
    Workers(Workers<BatchOf<D>>),
}

impl<D: Dataset + 'static> Batches<D> {
    /// Where the pass stands, as bytes for a checkpoint: [`DataLoader::resume`] goes on from there.
    ///
    /// ```
    /// use rushlight_data::DataLoader;
    /// let loader = DataLoader::new(0..10usize).batch_size(4).shuffle(true);
    /// let mut batches = loader.iter()?;
    /// batches.next();
    /// let mut again = loader.resume(&batches.state())?;
    /// let rest = |b: &mut dyn Iterator<Item = _>| b.map(|x: rushlight_tensor::Result<rushlight_tensor::Tensor>| x?.to_vec::<i64>()).collect::<rushlight_tensor::Result<Vec<_>>>();
    /// assert_eq!(rest(&mut again)?, rest(&mut batches)?);
    /// # Ok::<(), rushlight_tensor::Error>(())
    /// ```
    pub fn state(&self) -> Vec<u8> {
        let mut state = (self.taken as u64).to_le_bytes().to_vec();
        state.extend(&self.random);
        state
    }
}

impl<D: Dataset + 'static> Iterator for Batches<D> {
    type Item = Result<BatchOf<D>>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match &mut self.inner {
            Inner::Here { dataset, groups } => groups.next().map(|indices| dataset.batch(&indices?)),
            Inner::Workers(workers) => workers.next(),
        };
        self.taken += usize::from(batch.is_some());
        self.remaining = self.remaining.saturating_sub(1);
        batch
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

/// Threads that make batches. Each takes the next group of items under a lock, so that random numbers are drawn in order, and sends its batch with
/// its number; the receiver puts them in order again.
struct Workers<B: Send> {
    results: Option<Receiver<(usize, Result<B>)>>,
    early: BTreeMap<usize, Result<B>>,
    next: usize,
    threads: Vec<JoinHandle<()>>,
}

impl<B: Send + 'static> Workers<B> {
    fn start<D>(dataset: Arc<D>, groups: Groups, workers: usize, prefetch: usize) -> Workers<B>
    where
        D: Dataset + 'static,
        D::Item: Collate<Batch = B>,
    {
        let (sender, results) = sync_channel(workers * prefetch);
        let groups = Arc::new(Mutex::new(groups.enumerate()));
        let threads = (0..workers)
            .map(|_| {
                let (dataset, groups, sender): (_, _, SyncSender<_>) = (dataset.clone(), groups.clone(), sender.clone());
                std::thread::spawn(move || {
                    loop {
                        let group = groups.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((number, indices)) = group else { break };
                        let made = catch_unwind(AssertUnwindSafe(|| dataset.batch(&indices?)));
                        let batch = made.unwrap_or_else(|_| {
                            Err(Error::value("DataLoader", format!("the dataset panicked while making batch {number}")))
                        });
                        if sender.send((number, batch)).is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        Workers { results: Some(results), early: BTreeMap::new(), next: 0, threads }
    }
}

impl<B: Send> Workers<B> {
    fn next(&mut self) -> Option<Result<B>> {
        let number = self.next;
        self.next += 1;
        if let Some(batch) = self.early.remove(&number) {
            return Some(batch);
        }
        while let Some((n, batch)) = self.results.as_ref().and_then(|r| r.recv().ok()) {
            if n == number {
                return Some(batch);
            }
            self.early.insert(n, batch);
        }
        None
    }
}

impl<B: Send> Drop for Workers<B> {
    fn drop(&mut self) {
        // A closed channel tells the workers to stop.
        self.results = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
