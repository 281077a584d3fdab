// SPDX-License-Identifier: Apache-2.0

package import Messaging
internal import Placement

/// Up to where a device has had everything, by the life of the router that counts: a position in its log of changes.
///
/// The text that a client keeps is opaque to it: a version, the positions, and a sum over both and the device. The sum
/// is no seal. It keeps tokens from being mixed up or cut off; a client that makes one up can only make itself miss
/// messages.
package struct ResumeToken: Hashable, Sendable {
    /// Router lives in one token; a cluster with more gives none.
    package static let livesMax = 250
    private static let version: UInt8 = 1
    private static let entryBytes = 24

    package var positions: [Incarnation: UInt64]

    package init(positions: [Incarnation: UInt64]) {
        self.positions = positions
    }

    /// Nil when there are too many lives, or none.
    package func text(for device: DeviceID) -> String? {
        guard (1...Self.livesMax).contains(self.positions.count) else { return nil }
        var bytes = [Self.version]
        bytes.reserveCapacity(1 + Self.entryBytes * self.positions.count + 8)
        for (life, position) in self.positions.sorted(by: { $0.key < $1.key }) {
            bytes += life.bytes
            bytes += Self.bytes(position)
        }
        bytes += Self.bytes(Self.sum(bytes, device))
        return Base64.encode(bytes, .url)
    }

    /// Nil for a text that is not a token of this device.
    package init?(_ text: String, of device: DeviceID) {
        guard let bytes = Base64.decode(text.utf8, .url), bytes.first == Self.version,
            bytes.count > 9 + Self.entryBytes - 1, (bytes.count - 9) % Self.entryBytes == 0,
            (bytes.count - 9) / Self.entryBytes <= Self.livesMax
        else { return nil }
        let content = bytes.dropLast(8)
        guard Self.integer(bytes.suffix(8)) == Self.sum(Array(content), device) else { return nil }
        var positions: [Incarnation: UInt64] = [:]
        for start in stride(from: 1, to: content.count, by: Self.entryBytes) {
            guard let life = Incarnation(bytes: content[start..<start + 16]) else { return nil }
            positions[life] = Self.integer(content[start + 16..<start + 24])
        }
        self.positions = positions
    }

    private static func sum(_ content: [UInt8], _ device: DeviceID) -> UInt64 {
        XXHash64.hash(device.bytes + content)
    }

    private static func bytes(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) }
    }

    private static func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
