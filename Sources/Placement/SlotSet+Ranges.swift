// SPDX-License-Identifier: Apache-2.0

extension SlotSet {
    /// The numbers in ascending order, neighbours joined.
    package var ranges: [ClosedRange<Int>] {
        var ranges: [ClosedRange<Int>] = []
        for number in 0..<Slot.count {
            guard let slot = Slot(number), self.contains(slot) else { continue }
            if let last = ranges.last, last.upperBound == number - 1 {
                ranges[ranges.count - 1] = last.lowerBound...number
            } else {
                ranges.append(number...number)
            }
        }
        return ranges
    }
}
