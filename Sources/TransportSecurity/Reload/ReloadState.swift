// SPDX-License-Identifier: Apache-2.0

/// When files that may change are to be read again, as a value: looks at them go in, a decision comes out.
///
///     in use --changed--> settling --the same at the next look--> read --> in use, or refused until they change again
///
/// A certificate and its key are two files, and nobody writes both at once: they are read when two looks in a row found
/// them the same. What was refused is not tried again before it changes, so it is told once.
package struct ReloadState: Sendable, Equatable {
    package typealias Stamps = [SmallFile.Stamp?]

    package enum Decision: Sendable, Equatable {
        case nothing
        /// Read them, then tell with ``finished(isUsable:)``.
        case read
    }

    private var inUse: Stamps
    private var refused: Stamps?
    private var settling: Stamps?

    /// - Parameter inUse: what the files were when those in use were read.
    package init(inUse: Stamps) {
        self.inUse = inUse
    }

    /// The files were looked at.
    package mutating func looked(_ stamps: Stamps) -> Decision {
        if stamps == self.inUse {
            // They were put back.
            self.refused = nil
            self.settling = nil
            return .nothing
        }
        if stamps == self.refused { return .nothing }
        if stamps == self.settling { return .read }
        self.settling = stamps
        return .nothing
    }

    /// What ``Decision/read`` asked for was done.
    package mutating func finished(isUsable: Bool) {
        guard let settling = self.settling else { return }
        self.settling = nil
        if isUsable {
            self.inUse = settling
            self.refused = nil
        } else {
            self.refused = settling
        }
    }
}
