// SPDX-License-Identifier: Apache-2.0

package import ClientProtocol
internal import Messaging

#if canImport(Glibc)
    internal import Glibc
#endif

/// The frames of `new_message` that came lately to any connection of one event loop, so that a process with many devices
/// takes the same message apart once: an edge sends the members of a group the same bytes, and comparing them costs a
/// fiftieth of decoding them.
///
/// Each frame knows the one that followed it last, on whatever connection: devices of the same conversations get the same
/// frames in the same order, so that one comparison finds out what a connection brings next. Where they do not, every
/// frame is decoded as without this.
///
/// Belongs to one event loop.
package final class SeenFrames {
    package final class Frame {
        package let message: DeliveredMessage
        /// Whatever the owner knows of the message; 0 at first.
        package var note = 0
        /// For the owner to count with; 0 at first.
        package var tally = 0
        /// The frame that came behind this one last.
        package fileprivate(set) var next: Frame?
        /// Header and payload.
        private let bytes: [UInt8]

        fileprivate init(_ message: DeliveredMessage, _ bytes: [UInt8]) {
            self.message = message
            self.bytes = bytes
        }

        var count: Int { self.bytes.count }

        /// Whether these bytes begin with this frame.
        func begins(_ other: UnsafeRawBufferPointer) -> Bool {
            guard other.count >= self.bytes.count, let start = other.baseAddress else { return false }
            return self.bytes.withUnsafeBytes { own in
                own.baseAddress.map { memcmp($0, start, own.count) == 0 } ?? false
            }
        }
    }

    private struct Key: Hashable {
        var conversation: ConversationID
        var seq: UInt64
    }

    /// Frames that are remembered; the oldest goes first.
    package let framesMax: Int
    private var frames: [Key: Frame] = [:]
    /// In the order in which they came, a ring.
    private var order: [Key] = []
    private var oldest = 0

    /// - Parameter framesMax: at least 1.
    package init(framesMax: Int = 8192) {
        self.framesMax = max(1, framesMax)
    }

    deinit {
        // One after the other: a chain of thousands that goes at once goes by as many nested calls.
        for frame in self.frames.values { frame.next = nil }
    }

    package var count: Int { self.frames.count }

    /// A message was decoded.
    ///
    /// - Parameters:
    ///   - bytes: its whole frame, or nil when it did not come in one piece.
    ///   - last: what came before it on the same connection.
    /// - Returns: what is known of it, if anything.
    func decoded(_ message: DeliveredMessage, bytes: UnsafeRawBufferPointer?, after last: Frame?) -> Frame? {
        let key = Key(conversation: message.conversationID, seq: message.seq)
        let frame: Frame
        if let known = self.frames[key] {
            // Another edge may write it in another way; then this one is decoded each time.
            guard bytes.map({ $0.count == known.count && known.begins($0) }) ?? true else { return nil }
            frame = known
        } else if let bytes {
            frame = Frame(message, Array(bytes))
            self.remember(frame, key)
        } else {
            return nil
        }
        if let last, last !== frame { last.next = frame }
        return frame
    }

    private func remember(_ frame: Frame, _ key: Key) {
        self.frames[key] = frame
        guard self.order.count == self.framesMax else { return self.order.append(key) }
        // A connection that still stands at it must not keep all that came after it.
        self.frames.removeValue(forKey: self.order[self.oldest])?.next = nil
        self.order[self.oldest] = key
        self.oldest = (self.oldest + 1) % self.framesMax
    }
}

@available(*, unavailable)
extension SeenFrames: Sendable {}

@available(*, unavailable)
extension SeenFrames.Frame: Sendable {}
