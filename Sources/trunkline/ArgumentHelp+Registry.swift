// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Operations

extension ArgumentHelp {
    /// The help of an option as the registry of verbs has it.
    init(_ option: OperatorOption) {
        self.init(stringLiteral: option.summary)
        self.valueName = option.value
    }
}
