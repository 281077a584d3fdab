// SPDX-License-Identifier: Apache-2.0

import Messaging
import NIOCore
import Placement
import Wire

/// A request on its way through the router, whether it came over the mesh or from the router itself.
package struct Call: Sendable {
    package let kind: RequestKind
    package let slot: Slot
    /// When nobody waits for the answer any more.
    package let deadline: NIODeadline
    package let payload: ByteBuffer
    private let respond: @Sendable (ResponseStatus, ByteBuffer) -> Void

    /// - Parameter respond: called once, from any thread; must not block.
    package init(
        kind: RequestKind,
        slot: Slot,
        deadline: NIODeadline,
        payload: ByteBuffer,
        respond: @escaping @Sendable (ResponseStatus, ByteBuffer) -> Void
    ) {
        self.kind = kind
        self.slot = slot
        self.deadline = deadline
        self.payload = payload
        self.respond = respond
    }

    package func answer(_ body: some WireMessage) {
        self.respond(.ok, body.encoded())
    }

    package func fail(_ failure: Failure) {
        self.respond(.failed, FailureBody(failure).encoded())
    }

    package func moved(_ news: RoutingNews) {
        self.respond(.moved, news.encoded())
    }

    package func outOfOrder() {
        self.respond(.outOfOrder, ByteBuffer())
    }

    package func answer(_ reply: Reply) {
        switch reply {
        case .ok(let body): self.respond(.ok, body)
        case .failed(let failure): self.fail(failure)
        }
    }
}

/// How an operation on a slot ended.
package enum Reply: Sendable, Equatable {
    /// The encoded response.
    case ok(ByteBuffer)
    case failed(Failure)

    package static func ok(_ body: some WireMessage) -> Reply {
        .ok(body.encoded())
    }
}
