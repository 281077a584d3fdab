// SPDX-License-Identifier: Apache-2.0

internal import Messaging

/// The deliveries of one round that have the same recipients, so that their sessions are looked up once for all of them.
struct DeliveryGroup {
    let recipients: [UserID]
    /// Of the recipients, if the router named them by a number.
    let mark: NumberedAudiences.Mark?
    /// Of the deliveries in the round; ascending.
    private(set) var places: [Int]
    /// Devices that do not get all of them: those that caused one.
    private var excluded: Set<DeviceID> = []

    private init(_ delivery: SessionLoop.Delivery, _ place: Int) {
        self.recipients = delivery.recipients
        self.mark = delivery.audience
        self.places = [place]
    }

    /// In the order of their first deliveries.
    static func groups(of deliveries: [SessionLoop.Delivery]) -> [DeliveryGroup] {
        var groups: [DeliveryGroup] = []
        var known: [NumberedAudiences.Mark: Int] = [:]
        for (place, delivery) in deliveries.enumerated() {
            if let mark = delivery.audience, let group = known[mark] {
                groups[group].places.append(place)
            } else {
                if let mark = delivery.audience { known[mark] = groups.count }
                groups.append(DeliveryGroup(delivery, place))
            }
        }
        for index in groups.indices {
            groups[index].excluded = Set(groups[index].places.compactMap { deliveries[$0].excluded })
        }
        return groups
    }

    /// Whether a device of a recipient does not get all of them.
    func excludes(_ device: DeviceID?) -> Bool {
        guard let device, !self.excluded.isEmpty else { return false }
        return self.excluded.contains(device)
    }

    /// Those that a device of a recipient gets: not what it caused itself.
    func places(for device: DeviceID?, _ deliveries: [SessionLoop.Delivery]) -> [Int] {
        guard let device, self.excluded.contains(device) else { return self.places }
        return self.places.filter { deliveries[$0].excluded != device }
    }
}
