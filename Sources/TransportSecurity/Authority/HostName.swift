// SPDX-License-Identifier: Apache-2.0

import Glibc

extension DevelopmentAuthority.Host {
    /// An address, or a name of the DNS, which may begin with `*.`. Nil for anything else.
    package init?(_ text: String) {
        if let bytes = Self.address(text) {
            self = .address(bytes)
            return
        }
        let labels = (text.hasPrefix("*.") ? text.dropFirst(2) : text[...])
            .split(separator: ".", omittingEmptySubsequences: false)
        let isName = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                        true
                    default: false
                    }
                }
        }
        // What looks like an address and is none was meant to be one.
        let isNumber = labels.last?.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 } ?? true
        guard isName, !isNumber, text.utf8.count <= 253 else { return nil }
        self = .name(text.lowercased())
    }

    private static func address(_ text: String) -> [UInt8]? {
        for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
            var bytes = [UInt8](repeating: 0, count: count)
            if inet_pton(family, text, &bytes) == 1 { return bytes }
        }
        return nil
    }
}

/// The text of an address of 4 or 16 bytes; nil for any other number of bytes.
func addressText(_ bytes: some Collection<UInt8>) -> String? {
    let family: Int32
    switch bytes.count {
    case 4: family = AF_INET
    case 16: family = AF_INET6
    default: return nil
    }
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let address = Array(bytes)
    guard inet_ntop(family, address, &text, socklen_t(text.count)) != nil else { return nil }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
