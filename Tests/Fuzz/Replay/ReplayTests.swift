// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

/// What the fuzzer has found worth keeping, and neighbours of it, through the same entry points.
///
/// An input that breaks a property, or the process, is kept in `Tests/Fuzz/Corpus` once its cause is mended.
@Suite("Fuzz targets, replayed", .serialized)
struct ReplayTests {
    private static let mutationsPerTarget = 400
    private static let seed = UInt64.random(in: 0...UInt64.max)
    /// As much as an event loop's thread has.
    private static let stackBytes = 8 << 20

    @Test("The corpus breaks no property", arguments: FuzzTarget.all.map(\.name))
    func corpus(name: String) async throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let inputs = try Self.corpus(of: name)
        #expect(!inputs.isEmpty, "there is no corpus for \(name)")
        for (file, failure) in await Self.failures(of: target, inputs) {
            Issue.record("\(name)/\(file): \(failure)")
        }
    }

    @Test("Nor do neighbours of the corpus", arguments: FuzzTarget.all.map(\.name))
    func mutations(name: String) async throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let corpus = try Self.corpus(of: name).map(\.bytes)
        var mutator = Mutator(seed: Self.seed)
        let inputs = (0..<Self.mutationsPerTarget).map { number in
            (name: "mutation \(number)", bytes: mutator.neighbour(of: corpus, atMost: target.inputBytesMax))
        }
        for (which, failure) in await Self.failures(of: target, inputs) {
            Issue.record("\(name), seed \(Self.seed), \(which): \(failure)")
        }
    }

    @Test("A broken property is told")
    func violations() async {
        let target = FuzzTarget(name: "broken", inputBytesMax: 1) { bytes in try require(bytes.isEmpty, "\(bytes)") }
        let failures = await Self.failures(of: target, [("empty", []), ("seven", [7])])
        #expect(failures.map(\.0) == ["seven"] && failures.map(\.1) == ["[7]"])
    }

    private static func corpus(of name: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Corpus/\(name)")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { file in
            (file, Array(try Data(contentsOf: folder.appendingPathComponent(file))))
        }
    }

    /// On one thread of its own, as embedded event loops must have it.
    private static func failures(
        of target: FuzzTarget,
        _ inputs: [(name: String, bytes: [UInt8])]
    ) async -> [(String, String)] {
        await withCheckedContinuation { continuation in
            let thread = Thread {
                var failures: [(String, String)] = []
                for input in inputs {
                    do {
                        try target.run(input.bytes)
                    } catch {
                        failures.append((input.name, "\(error)"))
                    }
                }
                continuation.resume(returning: failures)
            }
            thread.stackSize = Self.stackBytes
            thread.start()
        }
    }
}

/// Small changes to inputs: the usual ones of a mutating fuzzer.
private struct Mutator {
    private var random: SeededRandom

    init(seed: UInt64) {
        self.random = SeededRandom(seed: seed)
    }

    mutating func neighbour(of corpus: [[UInt8]], atMost bytesMax: Int) -> [UInt8] {
        var bytes = corpus.randomElement(using: &self.random) ?? []
        for _ in 0..<Int.random(in: 1...4, using: &self.random) {
            self.change(&bytes, with: corpus.randomElement(using: &self.random) ?? [])
        }
        return Array(bytes.prefix(bytesMax))
    }

    private mutating func change(_ bytes: inout [UInt8], with other: [UInt8]) {
        let place = Int.random(in: 0...bytes.count, using: &self.random)
        let count = Int.random(in: 1...8, using: &self.random)
        switch Int.random(in: 0..<6, using: &self.random) {
        case 0 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &self.random)
        case 1 where place < bytes.count:
            bytes[place] = [0, 1, 127, 128, 254, 255].randomElement(using: &self.random) ?? 0
        case 2: bytes.insert(contentsOf: self.random.bytes(count), at: place)
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + count))
        case 4: bytes.insert(contentsOf: bytes[..<place].suffix(count * 4), at: place)
        default: bytes = bytes.prefix(place) + other.suffix(Int.random(in: 0...other.count, using: &self.random))
        }
    }
}
