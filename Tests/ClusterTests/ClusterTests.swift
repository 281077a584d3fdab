// SPDX-License-Identifier: Apache-2.0

import Testing

/// Whole clusters: real processes, real Postgres and Redis, real sockets. One after the other, because each of them
/// keeps a small machine busy.
@Suite("Cluster", .serialized)
struct ClusterTests {}
