// SPDX-License-Identifier: Apache-2.0

/// Which messages failed for good, and with what code.
package struct FailureLog: Sendable {
    private var codes: [UInt32: String] = [:]
    package private(set) var countByCode: [String: Int] = [:]

    package init() {}

    /// The code of a message by its number in the plan; nil takes it back.
    package subscript(message: UInt32) -> String? {
        get { self.codes[message] }
        set {
            if let old = self.codes.removeValue(forKey: message), let count = self.countByCode[old] {
                self.countByCode[old] = count > 1 ? count - 1 : nil
            }
            guard let newValue else { return }
            self.codes[message] = newValue
            self.countByCode[newValue, default: 0] += 1
        }
    }
}
