//! The modules, one file a kind.

pub mod activation;
pub mod adaptive;
pub mod attention;
pub mod cells;
pub mod container;
pub mod conv;
pub mod conv_transpose;
pub mod cross_map;
pub mod dropout;
pub mod embedding;
pub mod embedding_bag;
pub mod fold;
pub mod instance_norm;
pub mod layer_norm;
pub mod linear;
pub mod loss;
pub mod more_activations;
pub mod norm;
pub mod pool;
pub mod recurrent;
pub mod shape;
pub mod shuffle;
pub mod similarity;
pub mod softmax;
pub mod transformer;
pub mod upsample;
