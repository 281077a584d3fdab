// SPDX-License-Identifier: Apache-2.0

/// The bodies of a run: words drawn with a seed, of one size, so that they compress about as text of people does.
///
/// They are made once and used in turn. Together they are larger than what the mesh compresses at once, so their
/// coming again does not make the messages look more compressible than they are.
package struct BodyText: Sendable {
    private static let bytesInAllMin = 1024 * 1024
    private static let bodiesMax = 4096
    private static let wordsInAll = 2000

    package let bodies: [String]

    /// - Parameter bytes: Of each body; at least 1.
    package init(bytes: Int, seed: UInt64) {
        var generator = SplitMix(seed: seed)
        let letters = Array("etaoinshrdlucmfwypvbgk".utf8)
        let words = (0..<Self.wordsInAll).map { _ in
            // The smaller of two draws: frequent letters are more frequent, as in a language.
            (0..<Int.random(in: 2...9, using: &generator)).map { _ in
                letters[
                    min(
                        Int.random(in: 0..<letters.count, using: &generator),
                        Int.random(in: 0..<letters.count, using: &generator)
                    )
                ]
            }
        }
        let count = min(Self.bodiesMax, max(16, Self.bytesInAllMin / max(1, bytes)))
        self.bodies = (0..<count).map { _ in
            var text: [UInt8] = []
            text.reserveCapacity(bytes + 10)
            while text.count < bytes {
                let word = min(
                    Int.random(in: 0..<words.count, using: &generator),
                    Int.random(in: 0..<words.count, using: &generator)
                )
                text.append(contentsOf: words[word])
                text.append(UInt8(ascii: " "))
            }
            return String(decoding: text.prefix(bytes), as: UTF8.self)
        }
    }

    package func body(of message: Int) -> String {
        self.bodies[message % self.bodies.count]
    }
}
