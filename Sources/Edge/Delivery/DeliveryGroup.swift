// SPDX-License-Identifier: Apache-2.0

internal import Messaging

/// The deliveries of one round that have the same recipients, so that their sessions are looked up once for all of them.
struct DeliveryGroup {
    let recipients: [UserID]
    /// Of the deliveries in the round; ascending.
    private(set) var places: [Int]
    /// Devices that do not get all of them.
    private var excluded: Set<DeviceID> = []

    private init(_ recipients: [UserID], _ place: Int) {
        self.recipients = recipients
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
                groups.append(DeliveryGroup(delivery.recipients, place))
            }
        }
        for index in groups.indices where groups[index].places.count > 1 {
            groups[index].excluded = Set(groups[index].places.compactMap { deliveries[$0].excluded })
        }
        return groups
    }

    /// Those that a device of a recipient gets: not what it caused itself.
    func places(for device: DeviceID?, _ deliveries: [SessionLoop.Delivery]) -> [Int] {
        guard let device else { return self.places }
        if self.places.count == 1 { return deliveries[self.places[0]].excluded == device ? [] : self.places }
        guard self.excluded.contains(device) else { return self.places }
        return self.places.filter { deliveries[$0].excluded != device }
    }
}
