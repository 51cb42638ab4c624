// Winograd's transform of a 3x3 kernel, U = G g G^T, in float64: done once, so it need not be fast but should be exact.
// kernels/winograd.hpp has the other two transforms and the source.
#pragma once

namespace fastconv {

template <int m>
struct WinogradWeights;

template <>
struct WinogradWeights<2> {
    static constexpr double G[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
};

template <>
struct WinogradWeights<4> {
    static constexpr double a = 0.47140452079103168293;  // sqrt(2) / 3
    static constexpr double G[6][3] = {
        {1, 0, 0}, {-2.0 / 3, -a, -1.0 / 3}, {-2.0 / 3, a, -1.0 / 3}, {1.0 / 6, a / 2, 1.0 / 3}, {1.0 / 6, -a / 2, 1.0 / 3},
        {0, 0, 1}};
};

// taps: the kernel [3][3]; out: [m + 2][m + 2]
template <int m>
void winograd_transform_weights(const double* taps, double* out) {
    constexpr int alpha = m + 2;
    const auto& G = WinogradWeights<m>::G;
    double half[alpha][3];
    for (int i = 0; i < alpha; ++i)
        for (int j = 0; j < 3; ++j) half[i][j] = G[i][0] * taps[j] + G[i][1] * taps[3 + j] + G[i][2] * taps[6 + j];
    for (int i = 0; i < alpha; ++i)
        for (int j = 0; j < alpha; ++j)
            out[i * alpha + j] = half[i][0] * G[j][0] + half[i][1] * G[j][1] + half[i][2] * G[j][2];
}

}  // namespace fastconv
