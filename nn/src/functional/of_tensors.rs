//! The functions that are methods of [`Tensor`] as well, under PyTorch's names.

use rushlight_tensor::{
    AttentionOptions, CrossEntropy, CtcLoss, EmbeddingBag, GaussianNllLoss, GridSample, InterpolateOptions, InterpolateTo, IntoSizes,
    KlReduction, LossReduction, OutputSize, PadMode, Padding, PoissonNllLoss, Result, Tensor, TripletMarginLoss,
};

/// Functions that call a method of their first argument.
macro_rules! functions {
    ($($name:ident = $method:ident($x:ident $(, $arg:ident: $t:ty)*) $(-> $result:ty)?;)*) => {$(
        #[doc = concat!("`torch.nn.functional.", stringify!($name), "`: as [`Tensor::", stringify!($method), "`].")]
        ///
        /// # Errors
        /// As the method.
        #[allow(clippy::too_many_arguments)] // PyTorch's
        pub fn $name($x: &Tensor $(, $arg: $t)*) -> functions!(@result $($result)?) {
            $x.$method($($arg),*)
        }
    )*};
    (@result) => { Result<Tensor> };
    (@result $t:ty) => { $t };
}

// Activations.
functions! {
    relu = relu(x);
    relu6 = relu6(x);
    elu = elu(x, alpha: f64);
    selu = selu(x);
    celu = celu(x, alpha: f64);
    silu = silu(x);
    mish = mish(x);
    tanh = tanh(x);
    sigmoid = sigmoid(x);
    hardsigmoid = hardsigmoid(x);
    hardswish = hardswish(x);
    hardtanh = hardtanh(x, min_val: f64, max_val: f64);
    hardshrink = hardshrink(x, lambd: f64);
    softshrink = softshrink(x, lambd: f64);
    tanhshrink = tanhshrink(x);
    softsign = softsign(x);
    softplus = softplus(x, beta: f64, threshold: f64);
    logsigmoid = logsigmoid(x);
    leaky_relu = leaky_relu(x, negative_slope: f64);
    prelu = prelu(x, weight: &Tensor);
    rrelu = rrelu(x, lower: f64, upper: f64, training: bool);
    threshold = threshold(x, threshold: f64, value: f64);
    glu = glu(x, dim: isize);
    softmax = softmax(x, dim: isize);
    softmin = softmin(x, dim: isize);
    log_softmax = log_softmax(x, dim: isize);
    gumbel_softmax = gumbel_softmax(x, tau: f64, hard: bool, dim: isize);
}

// Products, convolutions, windows, padding, resampling.
functions! {
    linear = linear(x, weight: &Tensor, bias: Option<&Tensor>);
    bilinear = bilinear(x1, x2: &Tensor, weight: &Tensor, bias: Option<&Tensor>);
    conv1d = conv1d(x, weight: &Tensor, bias: Option<&Tensor>, stride: impl IntoSizes, padding: impl Into<Padding>, dilation: impl IntoSizes, groups: usize);
    conv2d = conv2d(x, weight: &Tensor, bias: Option<&Tensor>, stride: impl IntoSizes, padding: impl Into<Padding>, dilation: impl IntoSizes, groups: usize);
    conv3d = conv3d(x, weight: &Tensor, bias: Option<&Tensor>, stride: impl IntoSizes, padding: impl Into<Padding>, dilation: impl IntoSizes, groups: usize);
    unfold = unfold_windows(x, kernel_size: impl IntoSizes, dilation: impl IntoSizes, padding: impl IntoSizes, stride: impl IntoSizes);
    fold = fold(x, output_size: impl IntoSizes, kernel_size: impl IntoSizes, dilation: impl IntoSizes, padding: impl IntoSizes, stride: impl IntoSizes);
    pad = pad(x, margins: impl IntoSizes, mode: PadMode);
    pixel_shuffle = pixel_shuffle(x, upscale_factor: usize);
    pixel_unshuffle = pixel_unshuffle(x, downscale_factor: usize);
    channel_shuffle = channel_shuffle(x, groups: usize);
    interpolate = interpolate(x, to: &InterpolateTo, options: impl Into<InterpolateOptions>);
    grid_sample = grid_sample(x, grid: &Tensor, with: GridSample);
    affine_grid = affine_grid(theta, size: impl IntoSizes, align_corners: bool);
    scaled_dot_product_attention = scaled_dot_product_attention(query, key: &Tensor, value: &Tensor, options: AttentionOptions<'_>);
    embedding_bag = embedding_bag(table, indices: &Tensor, with: EmbeddingBag<'_>);
    one_hot = one_hot(x, num_classes: impl Into<Option<usize>>);
}

macro_rules! of_ranks {
    ($($transposed:ident $max:ident $max_indices:ident $avg:ident $adaptive:ident $adaptive_max:ident $adaptive_max_indices:ident $unpool:ident $lp:ident;)*) => {
        functions! {$(
            $transposed = $transposed(x, weight: &Tensor, bias: Option<&Tensor>, stride: impl IntoSizes, padding: impl IntoSizes,
                output_padding: impl IntoSizes, groups: usize, dilation: impl IntoSizes);
            $max = $max(x, kernel_size: impl IntoSizes, stride: impl IntoSizes, padding: impl IntoSizes, dilation: impl IntoSizes, ceil_mode: bool);
            $max_indices = $max_indices(x, kernel_size: impl IntoSizes, stride: impl IntoSizes, padding: impl IntoSizes, dilation: impl IntoSizes,
                ceil_mode: bool) -> Result<(Tensor, Tensor)>;
            $avg = $avg(x, kernel_size: impl IntoSizes, stride: impl IntoSizes, padding: impl IntoSizes, ceil_mode: bool, count_include_pad: bool,
                divisor_override: Option<i64>);
            $adaptive = $adaptive(x, output_size: impl Into<OutputSize>);
            $adaptive_max = $adaptive_max(x, output_size: impl Into<OutputSize>);
            $adaptive_max_indices = $adaptive_max_indices(x, output_size: impl Into<OutputSize>) -> Result<(Tensor, Tensor)>;
            $unpool = $unpool(x, indices: &Tensor, kernel_size: impl IntoSizes, stride: impl IntoSizes, padding: impl IntoSizes,
                output_size: impl IntoSizes);
            $lp = $lp(x, norm_type: f64, kernel_size: impl IntoSizes, stride: impl IntoSizes, ceil_mode: bool);
        )*}
    };
}

of_ranks! {
    conv_transpose1d max_pool1d max_pool1d_with_indices avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d adaptive_max_pool1d_with_indices
        max_unpool1d lp_pool1d;
    conv_transpose2d max_pool2d max_pool2d_with_indices avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d adaptive_max_pool2d_with_indices
        max_unpool2d lp_pool2d;
    conv_transpose3d max_pool3d max_pool3d_with_indices avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d adaptive_max_pool3d_with_indices
        max_unpool3d lp_pool3d;
}

// Dropout, normalisation, distances.
functions! {
    dropout = dropout(x, p: f64, training: bool);
    dropout1d = dropout1d(x, p: f64, training: bool);
    dropout2d = dropout2d(x, p: f64, training: bool);
    dropout3d = dropout3d(x, p: f64, training: bool);
    alpha_dropout = alpha_dropout(x, p: f64, training: bool);
    feature_alpha_dropout = feature_alpha_dropout(x, p: f64, training: bool);
    layer_norm = layer_norm(x, normalized_shape: impl IntoSizes, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64);
    rms_norm = rms_norm(x, normalized_shape: impl IntoSizes, weight: Option<&Tensor>, eps: impl Into<Option<f64>>);
    group_norm = group_norm(x, num_groups: usize, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64);
    local_response_norm = local_response_norm(x, size: usize, alpha: f64, beta: f64, k: f64);
    normalize = normalize(x, p: f64, dims: impl IntoSizes, eps: f64);
    cosine_similarity = cosine_similarity(x1, x2: &Tensor, dim: isize, eps: f64);
    pairwise_distance = pairwise_distance(x1, x2: &Tensor, p: f64, eps: f64, keepdim: bool);
    pdist = pdist(x, p: f64);
}

// Losses.
functions! {
    mse_loss = mse_loss(x, target: &Tensor, reduction: LossReduction);
    l1_loss = l1_loss(x, target: &Tensor, reduction: LossReduction);
    smooth_l1_loss = smooth_l1_loss(x, target: &Tensor, reduction: LossReduction, beta: f64);
    huber_loss = huber_loss(x, target: &Tensor, reduction: LossReduction, delta: f64);
    cross_entropy = cross_entropy_with(x, target: &Tensor, weight: Option<&Tensor>, options: CrossEntropy);
    nll_loss = nll_loss(x, target: &Tensor, weight: Option<&Tensor>, ignore_index: i64, reduction: LossReduction);
    binary_cross_entropy = binary_cross_entropy(x, target: &Tensor, weight: Option<&Tensor>, reduction: LossReduction);
    binary_cross_entropy_with_logits = binary_cross_entropy_with_logits(x, target: &Tensor, weight: Option<&Tensor>, pos_weight: Option<&Tensor>,
        reduction: LossReduction);
    kl_div = kl_div(x, target: &Tensor, reduction: KlReduction, log_target: bool);
    poisson_nll_loss = poisson_nll_loss(x, target: &Tensor, options: PoissonNllLoss);
    gaussian_nll_loss = gaussian_nll_loss(x, target: &Tensor, var: &Tensor, options: GaussianNllLoss);
    margin_ranking_loss = margin_ranking_loss(x1, x2: &Tensor, target: &Tensor, margin: f64, reduction: LossReduction);
    hinge_embedding_loss = hinge_embedding_loss(x, target: &Tensor, margin: f64, reduction: LossReduction);
    soft_margin_loss = soft_margin_loss(x, target: &Tensor, reduction: LossReduction);
    cosine_embedding_loss = cosine_embedding_loss(x1, x2: &Tensor, target: &Tensor, margin: f64, reduction: LossReduction);
    multi_margin_loss = multi_margin_loss(x, target: &Tensor, p: i64, margin: f64, weight: Option<&Tensor>, reduction: LossReduction);
    multilabel_margin_loss = multilabel_margin_loss(x, target: &Tensor, reduction: LossReduction);
    multilabel_soft_margin_loss = multilabel_soft_margin_loss(x, target: &Tensor, weight: Option<&Tensor>, reduction: LossReduction);
    triplet_margin_loss = triplet_margin_loss(anchor, positive: &Tensor, negative: &Tensor, options: TripletMarginLoss);
    triplet_margin_with_distance_loss = triplet_margin_with_distance_loss(anchor, positive: &Tensor, negative: &Tensor,
        distance: impl Fn(&Tensor, &Tensor) -> Result<Tensor>, margin: f64, swap: bool, reduction: LossReduction);
    ctc_loss = ctc_loss(log_probs, targets: &Tensor, input_lengths: &Tensor, target_lengths: &Tensor, options: CtcLoss);
}
