// SPDX-License-Identifier: Apache-2.0

import Crypto
import CryptoExtras
import Foundation

/// The cost of scrypt (RFC 7914 §2).
package struct ScryptCost: Hashable, Sendable {
    /// The logarithm to base 2 of N.
    package var log2N: Int
    package var blockSize: Int
    package var parallelism: Int

    package init(log2N: Int, blockSize: Int, parallelism: Int) {
        self.log2N = log2N
        self.blockSize = blockSize
        self.parallelism = parallelism
    }

    /// Memory that one hash may take; a stored hash that asks for more is refused.
    static let memoryBytesMax = 1 << 30
    /// The largest block size for which swift-crypto's own memory limit leaves room with a parallelism of 1.
    static let blockSizeMax = 16

    /// Whether one hash stays within what an edge is ready to spend.
    package var isAcceptable: Bool {
        (1...24).contains(self.log2N) && (1...Self.blockSizeMax).contains(self.blockSize)
            && (1...16).contains(self.parallelism) && 128 * self.blockSize << self.log2N <= Self.memoryBytesMax
    }
}

/// A password's scrypt hash with its salt and cost, in the PHC string format:
/// `$scrypt$ln=14,r=8,p=1$SALT$HASH`, both in base64 without padding.
///
/// The format is the one of the Password Hashing Competition's specification, with the parameter names that passlib
/// writes. Each hash carries its own cost, so the cluster's may be raised without touching what is stored.
struct PasswordHash: Hashable, Sendable {
    static let saltBytes = 16
    static let hashBytes = 32
    /// Bytes of the text; a longer one is refused unread.
    static let textBytesMax = 512

    let cost: ScryptCost
    let salt: [UInt8]
    let hash: [UInt8]

    init(cost: ScryptCost, salt: [UInt8], hash: [UInt8]) {
        self.cost = cost
        self.salt = salt
        self.hash = hash
    }

    /// Hashes a password with a new salt. Takes tens of milliseconds and megabytes: not on an event loop.
    init(password: [UInt8], cost: ScryptCost) throws {
        let salt = (0..<Self.saltBytes).map { _ in UInt8.random(in: 0...255) }
        let hash = try Self.derive(password: password, salt: salt, cost: cost, count: Self.hashBytes)
        self.init(cost: cost, salt: salt, hash: hash)
    }

    /// Reads a PHC string. Returns nil for another function, missing or extra parameters, or a cost out of bounds.
    init?(_ text: String) {
        guard text.utf8.count <= Self.textBytesMax else { return nil }
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, parts[1] == "scrypt" else { return nil }
        let parameters = parts[2].split(separator: ",", omittingEmptySubsequences: false)
        guard
            parameters.count == 3,
            let log2N = Self.number(parameters[0], name: "ln"),
            let blockSize = Self.number(parameters[1], name: "r"),
            let parallelism = Self.number(parameters[2], name: "p"),
            let salt = Base64.decode(parts[3].utf8, .standard), (8...64).contains(salt.count),
            let hash = Base64.decode(parts[4].utf8, .standard), (16...64).contains(hash.count)
        else { return nil }
        let cost = ScryptCost(log2N: log2N, blockSize: blockSize, parallelism: parallelism)
        guard cost.isAcceptable else { return nil }
        self.init(cost: cost, salt: salt, hash: hash)
    }

    /// The PHC string.
    var text: String {
        "$scrypt$ln=\(self.cost.log2N),r=\(self.cost.blockSize),p=\(self.cost.parallelism)"
            + "$\(Base64.encode(self.salt, .standard))$\(Base64.encode(self.hash, .standard))"
    }

    /// Whether this is the password's hash, compared in constant time. As slow as hashing: not on an event loop.
    func matches(password: [UInt8]) throws -> Bool {
        let other = try Self.derive(password: password, salt: self.salt, cost: self.cost, count: self.hash.count)
        return zip(other, self.hash).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// Scrypt itself. Neither the password nor the salt may be empty.
    static func derive(password: [UInt8], salt: [UInt8], cost: ScryptCost, count: Int) throws -> [UInt8] {
        let key = try KDF.Scrypt.deriveKey(
            from: password,
            salt: salt,
            outputByteCount: count,
            rounds: 1 << cost.log2N,
            blockSize: cost.blockSize,
            parallelism: cost.parallelism
        )
        return key.withUnsafeBytes { Array($0) }
    }

    private static func number(_ parameter: Substring, name: String) -> Int? {
        guard parameter.hasPrefix(name + "=") else { return nil }
        let digits = parameter.dropFirst(name.count + 1)
        guard (1...3).contains(digits.utf8.count), digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int(digits)
    }
}
