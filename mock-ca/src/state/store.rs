//! Who writes, and who waits for it.
//!
//! **When a write fails**, what memory has is ahead of the disk. Everybody who waits is told, the file is
//! opened anew, and memory goes back to what the file has: a request that was answered with an error has
//! changed nothing. It is said once, until a write succeeds again.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::directory::Directory;
use super::file::{Faults, StateFile};
use super::rows::{self, Batch, Loaded, Places};
use super::secrets::Secrets;
use super::{StateDir, StateError};
use crate::db::Db;
use crate::limits::Limits;

/// The store of one CA. Dropping it writes what is left and frees the directory.
#[derive(Debug)]
pub(crate) struct Store {
    shared: Arc<Shared>,
    #[expect(clippy::disallowed_types, reason = "there is one in real worlds only")]
    writer: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    directory: Directory,
    options: StateDir,
    faults: Faults,
    queue: Mutex<Queue>,
    /// Something came into the queue, or it was closed.
    wake: Condvar,
    /// `None` after a failure, until it is opened again.
    file: Mutex<Option<StateFile>>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Default)]
struct Queue {
    batch: Batch,
    /// The number of the latest transaction that came.
    submitted: u64,
    places: Places,
    failed: bool,
    /// Whether the failure was said.
    said: bool,
    closed: bool,
}

/// How far the writer is.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// All transactions up to this one are written, or lost.
    done: u64,
    /// How often some were lost.
    losses: u64,
}

/// Before which losses a decision began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since(u64);

/// What was decided is not kept, and no longer so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an opened store begins with.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) loaded: Loaded,
    pub(crate) secrets: Secrets,
    /// How often the directory was opened before.
    pub(crate) generation: u64,
}

impl Store {
    /// Opens a state directory. With `threaded` a thread writes, otherwise the callers do.
    ///
    /// # Errors
    /// [`StateError`]; what there is stays as it is.
    pub(crate) fn open(options: &StateDir, threaded: bool) -> Result<Opened, StateError> {
        Self::open_with(options, threaded, Faults::default())
    }

    pub(super) fn open_with(
        options: &StateDir,
        threaded: bool,
        faults: Faults,
    ) -> Result<Opened, StateError> {
        let directory = Directory::open(&options.path)?;
        let file = StateFile::open(&directory, options.durability, &faults)?;
        let (loaded, places) = rows::load(&file)?;
        let secrets = Secrets::kept(directory.database(), rows::load_secrets(&file)?);
        let generation = file.next_generation()?;
        let shared = Arc::new(Shared {
            directory,
            options: options.clone(),
            faults,
            queue: Mutex::new(Queue { places, ..Queue::default() }),
            wake: Condvar::new(),
            file: Mutex::new(Some(file)),
            progress: watch::Sender::default(),
        });
        let writer = threaded.then(|| spawn(shared.clone())).transpose().map_err(super::at(&options.path))?;
        Ok(Opened { store: Store { shared, writer }, loaded, secrets, generation })
    }

    /// Keeps secrets, before anything depends on them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn keep(&self, secrets: Secrets) -> Result<(), StateError> {
        let batch = secrets.into_batch();
        match &*lock(&self.shared.file) {
            Some(file) if !batch.is_empty() => file.write(&batch),
            _ => Ok(()),
        }
    }

    /// Hands over what has changed, as one transaction. Under the lock that it was changed under.
    pub(crate) fn submit(&self, db: &mut Db, limits: &mut Limits) {
        let mut queue = lock(&self.shared.queue);
        let mut batch = rows::of_db(db, &mut queue.places);
        rows::of_limits(limits, &mut batch);
        if batch.is_empty() || queue.failed {
            return;
        }
        queue.submitted += 1;
        queue.batch.append(batch);
        if self.writer.is_some() {
            self.shared.wake.notify_one();
        } else {
            let (batch, number) = (std::mem::take(&mut queue.batch), queue.submitted);
            drop(queue);
            self.shared.write(&batch, number);
        }
    }

    /// What to remember when a request begins.
    pub(crate) fn now(&self) -> Since {
        Since(self.shared.progress.borrow().losses)
    }

    /// Waits until all that was decided so far is written.
    ///
    /// # Errors
    /// [`Lost`] when something was lost since the request began.
    pub(crate) async fn written(&self, since: Since) -> Result<(), Lost> {
        let (number, failed) = {
            let queue = lock(&self.shared.queue);
            (queue.submitted, queue.failed)
        };
        if failed {
            return Err(Lost);
        }
        let mut progress = self.shared.progress.subscribe();
        let waited = progress.wait_for(|progress| progress.done >= number || progress.losses > since.0).await;
        match waited {
            Ok(progress) if progress.losses == since.0 => Ok(()),
            _ => Err(Lost),
        }
    }

    /// After a failure: opens the file again and gives what it has, which memory has to go back to. Under the
    /// lock of the state. `None` when there was no failure, or another caller was first.
    ///
    /// # Errors
    /// When it still cannot be used.
    pub(crate) fn recover(&self) -> Result<Option<Loaded>, StateError> {
        if !lock(&self.shared.queue).failed {
            return Ok(None);
        }
        let shared = &*self.shared;
        let mut file = lock(&shared.file);
        // It must be closed before it can be opened.
        *file = None;
        let opened = StateFile::open(&shared.directory, shared.options.durability, &shared.faults)?;
        let (loaded, places) = rows::load(&opened)?;
        *file = Some(opened);
        drop(file);
        // What was decided since the failure goes too. This comes before anybody can think all is well.
        shared.progress.send_modify(|progress| progress.losses += 1);
        let mut queue = lock(&shared.queue);
        queue.batch = Batch::default();
        queue.places = places;
        queue.failed = false;
        Ok(Some(loaded))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            // It ends when the queue is empty; a panic of its own was told already.
            drop(writer.join());
        }
    }
}

#[expect(clippy::disallowed_types, reason = "there is one in real worlds only")]
fn spawn(shared: Arc<Shared>) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("mock-ca state".to_owned()).spawn(move || shared.run())
}

impl Shared {
    /// Writes what comes, all that is there at once, until the queue is closed and empty.
    fn run(&self) {
        loop {
            let (batch, number) = {
                let mut queue = lock(&self.queue);
                while queue.batch.is_empty() && !queue.closed {
                    queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
                if queue.batch.is_empty() {
                    return;
                }
                (std::mem::take(&mut queue.batch), queue.submitted)
            };
            self.write(&batch, number);
        }
    }

    fn write(&self, batch: &Batch, number: u64) {
        let mut file = lock(&self.file);
        let written = file.as_ref().map(|file| file.write(batch));
        if matches!(written, Some(Ok(()))) {
            drop(file);
            lock(&self.queue).said = false;
            self.progress.send_modify(|progress| progress.done = number);
            return;
        }
        *file = None;
        drop(file);
        let (submitted, said) = {
            let mut queue = lock(&self.queue);
            queue.failed = true;
            queue.batch = Batch::default();
            (queue.submitted, std::mem::replace(&mut queue.said, true))
        };
        if let (Some(Err(error)), false) = (written, said) {
            eprintln!("mock-ca: the state could not be written: {error}");
        }
        self.progress
            .send_modify(|progress| *progress = Progress { done: submitted, losses: progress.losses + 1 });
    }
}
