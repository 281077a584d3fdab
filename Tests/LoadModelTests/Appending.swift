// SPDX-License-Identifier: Apache-2.0

import LoadModel

extension SendSchedule {
    /// With one more stretch; nil when it is refused.
    func appending(_ stretch: Stretch) -> SendSchedule? {
        var other = self
        return other.append(stretch) ? other : nil
    }
}

extension MessagePlan {
    /// With one more stretch; nil when it is refused.
    func appending(_ stretch: SendSchedule.Stretch) -> MessagePlan? {
        var other = self
        return other.append(stretch) ? other : nil
    }
}
