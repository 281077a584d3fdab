// SPDX-License-Identifier: Apache-2.0

import Wire

/// What one received block held.
struct Receipt {
    let rawBytes: Int
    let storedBytes: Int
    var frames = 0
    var requests = 0
    var responses = 0
    var lateResponses = 0
    var notifications = 0
    /// Bytes of whole frames, for the credit.
    var requestBytes = 0
    var notificationBytes = 0

    init(_ block: Block) {
        self.rawBytes = block.rawBytes
        self.storedBytes = block.storedBytes
    }
}

/// What one drain sent.
struct Dispatch {
    var blocks = 0
    var blocksCompressed = 0
    var blocksBelowThreshold = 0
    var blocksNotSmaller = 0
    var frames = 0
    var rawBytes = 0
    var storedBytes = 0
    var requests = 0
    var responses = 0
    private(set) var notificationKinds: [UInt16] = []

    mutating func add(_ frame: Frame) {
        self.frames += 1
        switch frame {
        case .request: self.requests += 1
        case .response: self.responses += 1
        case .notification(let notification): self.notificationKinds.append(notification.kind)
        case .hello, .proof, .welcome, .refused, .heartbeat, .heartbeatAck, .credit, .goodbye: break
        }
    }

    mutating func add(_ block: EncodedBlock) {
        self.blocks += 1
        switch block.compression {
        case .compressed: self.blocksCompressed += 1
        case .belowThreshold: self.blocksBelowThreshold += 1
        case .notSmaller: self.blocksNotSmaller += 1
        case .off: break
        }
        self.rawBytes += block.rawBytes
        self.storedBytes += block.storedBytes
    }
}
