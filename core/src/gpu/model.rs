//! A whole model on the card.

use std::ops::Range;
use std::sync::Arc;

use super::buffer::{Buffer, COPY_ALIGN};
use super::convert::Converter;
use super::device::Device;
use super::error::{Error, Result};
use super::layout::{Layout, Part, Refusal, Rules, Wanted, no_books};
use super::options::ModelOptions;
use super::place::Place;
use super::upload::{Upload, upload};
use crate::dtype::DType;
use crate::kernel::{Conversion, Overflow};
use crate::map::{Data, Release};
use crate::model::Model;
use crate::tensor::{Shape, Source};
use crate::transfer::{self, Item, LoadOptions, Stats, Watch};

/// What places are multiples of where nothing was asked for: what every card can bind.
const DEFAULT_ALIGN: u64 = 256;

/// The greatest such number that can be asked for.
const MAX_ALIGN: u64 = 2 << 20;

/// How many bytes of a file are read before their pages are let go of.
const STEP: u64 = 16 << 20;

/// How many bytes of files are read, at least, before all of their pages are let go of: where
/// threads go on while a callback of the caller takes its time.
const BATCH: u64 = 64 << 20;

/// A page of the page cache; larger ones are multiples.
const PAGE: u64 = 4096;

/// A model's tensors in buffers. They stay when this is dropped, where clones of them do.
#[derive(Debug)]
pub struct GpuModel {
    buffers: Vec<Buffer>,
    /// By tensor, then by row.
    places: Vec<Place>,
    /// Where each tensor's places start, and the end of all.
    starts: Vec<usize>,
}

impl GpuModel {
    /// How many tensors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn places(&self, index: usize) -> Option<&[Place]> {
        let (start, end) = (self.starts.get(index)?, self.starts.get(index + 1)?);
        self.places.get(*start..*end)
    }

    /// In how many parts tensor `index` of the model lies; none where there is no such tensor.
    #[must_use]
    pub fn parts(&self, index: usize) -> Option<usize> {
        self.places(index).map(<[Place]>::len)
    }

    /// Where part `part` of tensor `index` lies.
    #[must_use]
    pub fn place(&self, index: usize, part: usize) -> Option<Place> {
        self.places(index)?.get(part).copied()
    }

    /// The buffers.
    #[must_use]
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }
}

/// Uploads all tensors of a model, in the order in which its files have them, into as few buffers as
/// the limit allows, and waits until the card has them. `watch` is told bytes as they become, and
/// tensors by their numbers in the model. After a failure all buffers are gone.
///
/// # Errors
/// Those of [`Model::source`] as [`Error::Model`]; [`Error::TensorTooLarge`], [`Error::Tensor`] for a
/// file that fails, and those of [`Buffer::create`] and [`upload`].
pub fn upload_model(
    device: &Device,
    model: &Model,
    options: &ModelOptions,
    load: &LoadOptions,
    watch: &mut dyn Watch,
) -> Result<(GpuModel, Stats)> {
    device.sound()?;
    let wanted = wanted(model, options)?;
    let rules = rules(device, options)?;
    let layout = Layout::new(&wanted, rules).map_err(|refusal| match refusal {
        Refusal::Other(error) => error,
        Refusal::TooLarge(large) => Error::TensorTooLarge {
            index: large.tensor as u64,
            name: name_of(model, large.tensor),
            row: large.row,
            bytes: large.bytes,
            limit: rules.limit,
            instead: match (large.row, rules.split) {
                (true, _) => "no row is split",
                (false, _) => "let it be split by rows, or convert it to a smaller dtype",
            },
        },
    })?;
    let mut buffers = list_of(layout.buffers.len())?;
    for &bytes in &layout.buffers {
        buffers.push(Buffer::create(device, bytes)?);
    }
    let steps = steps(&layout.parts, options.release)?;
    let uploads = uploads(&steps, &layout.parts, &buffers)?;
    let mut behind = Behind::new(&steps, wanted.len(), options.release, watch)?;
    let stats = behind.send(&uploads, load);
    let stats = stats.map_err(|error| of_tensor(error, &steps, model))?;
    let (places, starts) = by_tensor(layout.parts, wanted.len())?;
    let model = GpuModel {
        buffers,
        places,
        starts,
    };
    Ok((model, stats))
}

fn wanted(model: &Model, options: &ModelOptions) -> Result<Vec<Wanted>> {
    let mut all = list_of(model.tensors().len())?;
    for index in 0..model.tensors().len() {
        let source = model
            .source(index)
            .map_err(|error| Error::Model(Box::new(error)))?;
        let dtype = becomes(source.dtype, options.dtype);
        all.push(Wanted { source, dtype });
    }
    Ok(all)
}

/// What a tensor becomes where floats and blocks shall be of another dtype.
fn becomes(own: DType, asked: Option<DType>) -> DType {
    use DType::{BF16, F16, F32, F64};
    let is_number = matches!(own, F16 | BF16 | F32 | F64) || is_small_float(own) || own.is_block();
    let can = |asked: &DType| Conversion::new(own, *asked, Overflow::default()).is_some();
    asked.filter(|_| is_number).filter(can).unwrap_or(own)
}

/// Floats of 8 bits; the scales of others aren't.
fn is_small_float(own: DType) -> bool {
    use DType::{F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ};
    matches!(own, F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ)
}

fn rules(device: &Device, options: &ModelOptions) -> Result<Rules> {
    let wrong = |why: String| Err(Error::Arguments { why, item: None });
    let align = match options.align {
        0 => DEFAULT_ALIGN,
        align => align,
    };
    if !align.is_power_of_two() || !(COPY_ALIGN..=MAX_ALIGN).contains(&align) {
        return wrong(format!(
            "an alignment of {align}; powers of two from {COPY_ALIGN} to {MAX_ALIGN} can be had"
        ));
    }
    let most = device.info().limits.buffer_bytes;
    let limit = match options.buffer_bytes {
        0 => most,
        bytes => bytes.min(most),
    };
    let limit = limit & !(COPY_ALIGN - 1);
    if limit == 0 {
        return wrong(format!("buffers of at most {} bytes", options.buffer_bytes));
    }
    Ok(Rules {
        limit,
        align,
        split: options.split,
    })
}

/// What is uploaded at once, as far as the page cache is concerned.
struct Step {
    tensor: usize,
    part: usize,
    source: Source,
    /// Where it starts in the part's place.
    offset: u64,
    /// What of the file can be let go of behind it.
    read: Range<u64>,
    /// The bytes that travel.
    travels: u64,
}

impl Step {
    fn stored(&self) -> u64 {
        self.read.end.saturating_sub(self.read.start)
    }
}

/// Parts cut into steps, where `cut` says so; each has one at least.
fn steps(parts: &[Part], cut: bool) -> Result<Vec<Step>> {
    let mut all = list_of(parts.len())?;
    for (number, part) in parts.iter().enumerate() {
        let source = &part.source;
        let stored = source.shape.bytes(source.dtype);
        let stored = stored.map_err(|_| Error::Internal("a part of a tensor without a size"))?;
        let on_card = Converter::supports(source.dtype, part.place.dtype);
        let step = |source: Source, offset: u64, bytes: u64, becomes: u64| Step {
            tensor: part.tensor,
            part: number,
            read: source.offset..source.offset.saturating_add(bytes),
            source,
            offset,
            travels: if on_card { bytes } else { becomes },
        };
        if !cut || stored <= STEP {
            reserve(&mut all)?;
            all.push(step(source.clone(), 0, stored, part.place.bytes));
            continue;
        }
        // Elements lie side by side, so any whole blocks are a tensor.
        let blocks = [source.dtype, part.place.dtype].map(DType::block_elements);
        let [block_in, block_out] = blocks.map(u64::from);
        let block = block_in.max(block_out);
        let unit_in = block / block_in * u64::from(source.dtype.block_bytes());
        let unit_out = block / block_out * u64::from(part.place.dtype.block_bytes());
        let aligned = COPY_ALIGN >> unit_out.trailing_zeros().min(COPY_ALIGN.trailing_zeros());
        let most = STEP / unit_in / aligned * aligned;
        let units = stored / unit_in;
        let mut unit = 0;
        while unit < units {
            let count = most.min(units - unit);
            let shape =
                i64::try_from(count.saturating_mul(block)).map(|count| Shape::new(&[count]));
            let Ok(Ok(shape)) = shape else {
                return Err(Error::Internal("a step without a shape"));
            };
            let own = Source {
                offset: source.offset.saturating_add(unit.saturating_mul(unit_in)),
                shape,
                ..source.clone()
            };
            reserve(&mut all)?;
            all.push(step(
                own,
                unit * unit_out,
                count * unit_in,
                count * unit_out,
            ));
            unit += count;
        }
    }
    Ok(all)
}

fn uploads(steps: &[Step], parts: &[Part], buffers: &[Buffer]) -> Result<Vec<Upload>> {
    let mut all = list_of(steps.len())?;
    for step in steps {
        let place = parts.get(step.part).map(|part| part.place);
        let place = place.ok_or(Error::Internal("a step of no part"))?;
        let buffer = buffers.get(place.buffer);
        let dtype = (place.dtype != step.source.dtype).then_some(place.dtype);
        all.push(Upload {
            item: Item {
                dtype,
                ..Item::new(step.source.clone())
            },
            buffer: buffer
                .ok_or(Error::Internal("a place in no buffer"))?
                .clone(),
            offset: place.offset.saturating_add(step.offset),
            on_host: false,
        });
    }
    Ok(all)
}

/// Tells tensors for steps, and lets go of pages behind them.
struct Behind<'a> {
    steps: &'a [Step],
    /// Steps of each tensor that aren't done.
    left: Vec<usize>,
    /// Steps and bytes of the batches before.
    first: usize,
    done: u64,
    total: u64,
    release: bool,
    watch: &'a mut dyn Watch,
}

impl<'a> Behind<'a> {
    fn new(
        steps: &'a [Step],
        tensors: usize,
        release: bool,
        watch: &'a mut dyn Watch,
    ) -> Result<Behind<'a>> {
        let mut left = list_of(tensors)?;
        left.resize(tensors, 0usize);
        for step in steps {
            if let Some(left) = left.get_mut(step.tensor) {
                *left += 1;
            }
        }
        let travels = steps.iter().map(|step| step.travels);
        Ok(Behind {
            steps,
            left,
            first: 0,
            done: 0,
            total: travels.fold(0, u64::saturating_add),
            release,
            watch,
        })
    }

    /// Uploads all, and waits until the card has them.
    fn send(&mut self, uploads: &[Upload], load: &LoadOptions) -> Result<Stats> {
        let mut all = Stats::default();
        let mut tickets = Vec::new();
        while let Some(steps) = self.steps.get(self.first..).filter(|rest| !rest.is_empty()) {
            let count = self.batch(steps);
            let batch = uploads.get(self.first..self.first.saturating_add(count));
            let batch = batch.ok_or(Error::Internal("a step without an upload"))?;
            let sent = upload(batch, load, self);
            let (ticket, stats) = sent.map_err(|error| later(error, self.first))?;
            reserve(&mut tickets)?;
            tickets.push(ticket);
            all.bytes = all.bytes.saturating_add(stats.bytes);
            all.direct_bytes = all.direct_bytes.saturating_add(stats.direct_bytes);
            all.work_bytes = all.work_bytes.max(stats.work_bytes);
            all.threads = all.threads.max(stats.threads);
            let batch = steps.iter().take(count);
            let travelled = batch.map(|step| step.travels);
            self.done = travelled.fold(self.done, u64::saturating_add);
            if self.release {
                let_go_of_all(steps.get(..count).unwrap_or_default());
            }
            self.first = self.first.saturating_add(count);
        }
        for ticket in tickets {
            ticket.wait(None)?;
        }
        Ok(all)
    }

    /// How many steps go at once.
    fn batch(&self, steps: &[Step]) -> usize {
        if !self.release {
            return steps.len();
        }
        let mut bytes = 0u64;
        let before = steps.iter().take_while(|step| {
            let goes = bytes < BATCH;
            bytes = bytes.saturating_add(step.stored());
            goes
        });
        before.count()
    }
}

/// The error of a batch that begins at step `first`, with the step's number among all.
fn later(error: Error, first: usize) -> Error {
    match error {
        Error::Transfer(transfer::Error::Item { item, source }) => {
            let item = item.saturating_add(first as u64);
            transfer::Error::Item { item, source }.into()
        }
        other => other,
    }
}

impl Watch for Behind<'_> {
    fn progress(&mut self, done: u64, _: u64) -> bool {
        let done = done.saturating_add(self.done);
        // A batch's start is the end of the one before.
        (self.first > 0 && done == self.done) || self.watch.progress(done, self.total)
    }

    fn item_done(&mut self, item: usize) -> bool {
        let Some(step) = self.steps.get(self.first.saturating_add(item)) else {
            return true;
        };
        if self.release {
            let_go(&step.source.data, &step.read);
        }
        match self.left.get_mut(step.tensor) {
            Some(left) if *left > 1 => {
                *left -= 1;
                true
            }
            _ => self.watch.item_done(step.tensor),
        }
    }
}

/// Drops the pages that a range of a file took; the first of them may have been another range's too.
fn let_go(data: &Arc<Data>, read: &Range<u64>) {
    let start = read.start - read.start % PAGE;
    let len = read.end.saturating_sub(start);
    if let Err(error) = data.release(start, len, Release::PageCache) {
        // It was a courtesy.
        log::info!("{}: pages stay behind an upload: {error}", data.origin());
    }
}

/// Drops what was read by several threads at once, a part of a large page each.
fn let_go_of_all(steps: &[Step]) {
    let mut at = 0;
    while let Some(rest) = steps.get(at..)
        && let Some(first) = rest.first()
    {
        // Steps are in the order of the files.
        let is_same = |step: &&Step| Arc::ptr_eq(&step.source.data, &first.source.data);
        let own = rest.iter().take_while(is_same);
        let end = own.clone().map(|step| step.read.end).max().unwrap_or(0);
        let_go(&first.source.data, &(first.read.start..end));
        at += own.count();
    }
}

/// What went wrong with a file, by the tensor's name.
fn of_tensor(error: Error, steps: &[Step], model: &Model) -> Error {
    let Error::Transfer(transfer::Error::Item { item, source }) = error else {
        return error;
    };
    let step = usize::try_from(item).ok().and_then(|item| steps.get(item));
    let Some(step) = step else {
        return transfer::Error::Item { item, source }.into();
    };
    Error::Tensor {
        index: step.tensor as u64,
        name: name_of(model, step.tensor),
        source: Box::new(source),
    }
}

fn name_of(model: &Model, index: usize) -> String {
    let name = model.tensors().name(index).unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// The parts' places, by tensor and row.
fn by_tensor(mut parts: Vec<Part>, tensors: usize) -> Result<(Vec<Place>, Vec<usize>)> {
    parts.sort_unstable_by_key(|part| (part.tensor, part.place.row_start));
    let mut starts = list_of(tensors.saturating_add(1))?;
    for tensor in 0..=tensors {
        starts.push(parts.partition_point(|part| part.tensor < tensor));
    }
    let mut places = list_of(parts.len())?;
    places.extend(parts.iter().map(|part| part.place));
    Ok((places, starts))
}

fn list_of<T>(len: usize) -> Result<Vec<T>> {
    let mut list = Vec::new();
    list.try_reserve_exact(len)
        .map_err(|_| no_books(len, size_of::<T>()))?;
    Ok(list)
}

fn reserve<T>(list: &mut Vec<T>) -> Result<()> {
    list.try_reserve(1)
        .map_err(|_| no_books(list.len(), size_of::<T>()))
}
