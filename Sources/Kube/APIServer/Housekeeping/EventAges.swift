import KubeAPI

/// When the events there are will have been kept long enough. Pure.
struct EventAges: Sendable {
    static let resource = "events"
    /// In seconds: kube-apiserver's `--event-ttl`, after the last time that the event was seen.
    static let life: Int64 = 3600
    /// In seconds, after a deletion that came to nothing.
    private static let retry: Int64 = 60

    /// An event to be deleted, if it is still the one that was looked at.
    struct Aged: Hashable, Sendable {
        var key: ObjectKey
        var uid: String
        var revision: Revision
    }

    private struct Entry: Sendable {
        var aged: Aged
        var due: Timestamp
    }

    private var entries: [ObjectKey: Entry] = [:]
    /// No entry is due before.
    private var earliest: Timestamp?

    var count: Int { entries.count }

    /// Takes in an event as it is now. A time to come does not make it stay longer than one of now.
    mutating func put(_ key: ObjectKey, _ event: JSONValue, at revision: Revision, now: Timestamp) {
        if let known = entries[key], known.aged.revision >= revision { return }
        let due = (min(Self.lastSeen(event) ?? now, now)).advanced(by: Self.life)
        entries[key] = Entry(aged: Aged(key: key, uid: event.uid, revision: revision), due: due)
        earliest = min(earliest ?? due, due)
    }

    mutating func remove(_ key: ObjectKey) { entries[key] = nil }

    /// What is due now, oldest names first; asked again a minute later where it is still there.
    mutating func take(now: Timestamp) -> [Aged] {
        guard let earliest, earliest <= now else { return [] }
        var result: [Aged] = []
        for (key, entry) in entries where entry.due <= now {
            result.append(entry.aged)
            entries[key]?.due = now.advanced(by: Self.retry)
        }
        self.earliest = entries.values.map(\.due).min()
        return result.sorted { $0.key < $1.key }
    }

    private static func lastSeen(_ event: JSONValue) -> Timestamp? {
        let texts = [
            event["lastTimestamp"], event["deprecatedLastTimestamp"], event["eventTime"], event.at("series", "lastObservedTime"),
            event.at("metadata", "creationTimestamp"),
        ]
        return texts.compactMap { $0?.string.flatMap { Timestamp($0) } }.max()
    }
}
