// SPDX-License-Identifier: Apache-2.0

import Testing

/// Tests over real sockets. They share event loops and look at times, so they run one after the other.
@Suite("Real sockets", .serialized, .timeLimit(.minutes(3)))
enum SocketTests {}
