public import KubeAPI

/// Something that happened to an object, as `kubectl describe` shows it.
public struct EventNote: Hashable, Sendable {
    public enum Severity: String, Hashable, Sendable, CaseIterable {
        case normal = "Normal"
        case warning = "Warning"
    }

    /// What it happened to.
    public struct Subject: Hashable, Sendable {
        public var kind: GroupVersionKind
        public var namespace: String
        public var name: String
        public var uid: String
        /// A part of it: `spec.containers{web}`; may be empty.
        public var part: String

        public init(_ object: any KubernetesObject, part: String = "") {
            self.init(
                object.kind, namespace: object.metadata.namespace, name: object.metadata.name, uid: object.metadata.uid,
                part: part)
        }

        public init(_ kind: GroupVersionKind, namespace: String = "", name: String, uid: String = "", part: String = "") {
            self.kind = kind
            self.namespace = namespace
            self.name = name
            self.uid = uid
            self.part = part
        }
    }

    public var subject: Subject
    public var severity: Severity
    /// A word in CamelCase, for programs: `FailedMount`.
    public var reason: String
    /// A sentence, for people.
    public var message: String

    public init(_ subject: Subject, _ severity: Severity = .normal, reason: String, _ message: String) {
        self.subject = subject
        self.severity = severity
        self.reason = reason
        self.message = message
    }
}

/// What is written for what happened: the same thing again only raises a count, and an object that has too much happening to
/// it is not written about for a while (25 at once, then one in five minutes, as client-go does). A value; time is passed in.
public struct EventAggregator: Sendable {
    public enum Writing: Hashable, Sendable {
        case create(JSONValue)
        /// The event of this name again, with a merge patch. When it is gone, create `otherwise`.
        case count(name: String, namespace: String, JSONValue, otherwise: JSONValue)
        case nothing
    }

    private struct Entry: Sendable {
        var name: String
        var count: Int64
        var first: Timestamp
        var last: Timestamp
    }

    private struct Budget: Sendable {
        var tokens: Double
        var at: Timestamp
    }

    /// How many different events, and subjects, are remembered.
    static var memory: Int { 4096 }
    private static var burst: Double { 25 }
    private static var refill: Double { 1 / 300 }

    private let component: String
    private let host: String
    private let namesByContent: Bool
    private var entries: [EventNote: Entry] = [:]
    private var budgets: [EventNote.Subject: Budget] = [:]

    /// - Parameters:
    ///   - component: who says it: `kubelet`.
    ///   - host: where: a node's name, or empty.
    ///   - namesByContent: whoever says the same of the same object writes the same event. So a thousand nodes that see one fault
    ///     make one event of it: the first creates it, the others are told that it is there.
    public init(component: String, host: String = "", namesByContent: Bool = false) {
        self.component = component
        self.host = host
        self.namesByContent = namesByContent
    }

    public mutating func write(_ note: EventNote, at now: Timestamp) -> Writing {
        guard spend(note.subject, at: now) else { return .nothing }
        // Servers forget events after an hour; a count over more than that would be about nothing.
        if var entry = entries[note], now - entry.last < .seconds(3600) {
            entry.count += 1
            entry.last = now
            entries[note] = entry
            return .count(
                name: entry.name, namespace: namespace(note),
                ["count": .number(JSONNumber(entry.count)), "lastTimestamp": .string(now.description)],
                otherwise: tree(note, entry))
        }
        if entries.count >= Self.memory { forgetOldest() }
        let entry = Entry(name: name(note, at: now), count: 1, first: now, last: now)
        entries[note] = entry
        return .create(tree(note, entry))
    }

    private func name(_ note: EventNote, at now: Timestamp) -> String {
        var number = UInt64(bitPattern: now.microseconds)
        // Two different events of one microsecond must not share a name.
        var tail = String(entries.count, radix: 16)
        if namesByContent {
            let words = [
                note.subject.kind.kind, note.subject.namespace, note.subject.name, note.subject.uid, note.subject.part,
                note.severity.rawValue, note.reason, note.message, component, host,
            ]
            // FNV-1a, 64 bits.
            number = words.joined(separator: "\0").utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0100_0000_01B3 }
            tail = ""
        }
        return "\(note.subject.name.prefix(200)).\(String(number, radix: 16))\(tail)"
    }

    private mutating func spend(_ subject: EventNote.Subject, at now: Timestamp) -> Bool {
        if budgets.count >= Self.memory, budgets[subject] == nil {
            budgets = budgets.filter { now - $0.value.at < .seconds(3600) }
        }
        var budget = budgets[subject] ?? Budget(tokens: Self.burst, at: now)
        budget.tokens = min(Self.burst, budget.tokens + max(0, (now - budget.at) / .seconds(1)) * Self.refill)
        budget.at = now
        let isGranted = budget.tokens >= 1
        if isGranted { budget.tokens -= 1 }
        budgets[subject] = budget
        return isGranted
    }

    private mutating func forgetOldest() {
        let times = entries.values.map(\.last).sorted()
        let limit = times[times.count / 2]
        entries = entries.filter { $0.value.last > limit }
    }

    /// Events about objects of the cluster are in `default`.
    private func namespace(_ note: EventNote) -> String { note.subject.namespace.isEmpty ? "default" : note.subject.namespace }

    private func tree(_ note: EventNote, _ entry: Entry) -> JSONValue {
        var subject: JSONValue = [
            "apiVersion": .string(note.subject.kind.apiVersion), "kind": .string(note.subject.kind.kind),
            "name": .string(note.subject.name),
        ]
        for (field, text) in [("namespace", note.subject.namespace), ("uid", note.subject.uid), ("fieldPath", note.subject.part)]
        {
            if !text.isEmpty { subject[at: field] = .string(text) }
        }
        var tree: JSONValue = [
            "apiVersion": "v1", "kind": "Event",
            "metadata": ["name": .string(entry.name), "namespace": .string(namespace(note))],
            "involvedObject": subject, "type": .string(note.severity.rawValue), "reason": .string(note.reason),
            // A server refuses more than 1 KiB.
            "message": .string(String(decoding: note.message.utf8.prefix(1024), as: UTF8.self)),
            "source": ["component": .string(component)], "reportingComponent": .string(component),
            "reportingInstance": .string(host), "count": .number(JSONNumber(entry.count)),
            "firstTimestamp": .string(entry.first.description), "lastTimestamp": .string(entry.last.description),
        ]
        if !host.isEmpty { tree[at: "source", "host"] = .string(host) }
        return tree
    }
}
