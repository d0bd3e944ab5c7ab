import KubeAPI

extension Printer {
    static let namespace = Printer([Table.Column("Status"), .age]) { object, now in
        [.string(object.at("status", "phase")?.string ?? ""), .string(object.age(now))]
    }

    static let configMap = Printer([.integer("Data"), .age]) { object, now in
        let count = (object["data"]?.object?.count ?? 0) + (object["binaryData"]?.object?.count ?? 0)
        return [.integer(count), .string(object.age(now))]
    }

    static let secret = Printer([Table.Column("Type"), .integer("Data"), .age]) { object, now in
        [object["type"] ?? "", .integer(object["data"]?.object?.count ?? 0), .string(object.age(now))]
    }

    static let serviceAccount = Printer([.integer("Secrets"), .age]) { object, now in
        [.integer(object["secrets"]?.array?.count ?? 0), .string(object.age(now))]
    }

    static let lease = Printer([Table.Column("Holder"), .age]) { object, now in
        [object.at("spec", "holderIdentity") ?? "", .string(object.age(now))]
    }

    static let definition = Printer([Table.Column("Created At", "date")]) { object, _ in
        [object.at("metadata", "creationTimestamp") ?? ""]
    }

    static let node = Printer([
        Table.Column("Status"), Table.Column("Roles"), .age, Table.Column("Version"), .wide("Internal-IP"), .wide("External-IP"),
        .wide("OS-Image"), .wide("Kernel-Version"), .wide("Container-Runtime"),
    ]) { object, now in
        let info = object.at("status", "nodeInfo") ?? [:]
        func shown(_ text: String?, _ otherwise: String) -> JSONValue {
            .string(text.flatMap { $0.isEmpty ? nil : $0 } ?? otherwise)
        }
        func address(_ type: String) -> JSONValue {
            let first = object.at("status", "addresses")?.objects.first { $0.string("type") == type }
            return shown(first?.string("address"), "<none>")
        }
        return [
            .string(nodeStatus(object)), .string(nodeRoles(object)), .string(object.age(now)),
            .string(info["kubeletVersion"]?.string ?? ""), address("InternalIP"), address("ExternalIP"),
            shown(info["osImage"]?.string, "<unknown>"), shown(info["kernelVersion"]?.string, "<unknown>"),
            shown(info["containerRuntimeVersion"]?.string, "<unknown>"),
        ]
    }

    private static func nodeStatus(_ object: JSONValue) -> String {
        let ready = object.at("status", "conditions")?.objects.first { $0["type"] == "Ready" }
        let word = ready.map { $0["status"] == "True" ? "Ready" : "NotReady" } ?? "Unknown"
        return object.at("spec", "unschedulable")?.bool == true ? "\(word),SchedulingDisabled" : word
    }

    private static func nodeRoles(_ object: JSONValue) -> String {
        let prefix = "node-role.kubernetes.io/"
        let roles = (object.at("metadata", "labels")?.strings ?? [:]).compactMap { key, value -> String? in
            if key.hasPrefix(prefix), key.utf8.count > prefix.utf8.count { return String(key.dropFirst(prefix.count)) }
            return key == "kubernetes.io/role" && !value.isEmpty ? value : nil
        }
        return roles.isEmpty ? "<none>" : Set(roles).sorted().joined(separator: ",")
    }

    static let event = Printer(bare: [
        Table.Column("Last Seen"), Table.Column("Type"), Table.Column("Reason"), Table.Column("Object"), .wide("Subobject"),
        .wide("Source"), Table.Column("Message"), .wide("First Seen"), .wide("Count", "integer"), .wide("Name"),
    ]) { object, now in
        let (first, last) = eventTimes(object, now)
        let about = object["involvedObject"] ?? [:]
        let component = object.at("source", "component")?.string ?? object["reportingComponent"]?.string ?? ""
        let host = object.at("source", "host")?.string ?? ""
        let message = (object["message"]?.string ?? "").split(separator: "\n", omittingEmptySubsequences: false)
        return [
            .string(last), object["type"] ?? "", object["reason"] ?? "",
            .string("\((about["kind"]?.string ?? "").lowercased())/\(about["name"]?.string ?? "")"),
            about["fieldPath"] ?? "", .string(host.isEmpty ? component : "\(component), \(host)"),
            .string(message.joined(separator: " ")), .string(first),
            object.at("series", "count") ?? object["count"] ?? 1, .string(object.name),
        ]
    }

    static let newEvent = Printer(bare: event.columns) { object, now in event.cells(EventForm.stored(object), now) }

    private static func eventTimes(_ object: JSONValue, _ now: Timestamp) -> (first: String, last: String) {
        let began = object.at("firstTimestamp") ?? object.at("eventTime")
        let first = Age.text(since: began, now)
        let seen = object.at("series", "lastObservedTime") ?? object.at("lastTimestamp")
        return (first, seen.map { Age.text(since: $0, now) } ?? first)
    }
}
