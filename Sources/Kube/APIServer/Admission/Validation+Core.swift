import Addressing
import KubeAPI

extension Validation {
    static func node(_ spec: inout Checker, _ old: JSONValue?) {
        var families: Set<IPFamily> = []
        let prefixes = spec.object["podCIDRs"]?.array ?? []
        for (position, value) in prefixes.enumerated() {
            let path = spec.path("podCIDRs").index(position)
            guard let text = value.string else { continue }
            guard let prefix = InterfaceAddress(text)?.prefix else {
                spec.report(.invalid(path, value, FieldError.prefixWanted))
                continue
            }
            if !families.insert(prefix.family).inserted {
                spec.report(
                    .invalid(
                        spec.path("podCIDRs"), .array(prefixes), "may specify no more than one CIDR for each IP family"))
            }
        }
        if old?.at("podCIDR") != nil, !same(spec.object["podCIDRs"], old?["podCIDRs"]) {
            spec.report(.forbidden(spec.path("podCIDRs"), "node updates may not change podCIDR except from \"\" to valid"))
        }
        if old?.at("providerID") != nil, !same(spec.object["providerID"], old?["providerID"]) {
            spec.report(.forbidden(spec.path("providerID"), "node updates may not change providerID except from \"\" to valid"))
        }
        var seen: Set<String> = []
        spec.each("taints") { taint, _ in
            taint.require("key")
            taint.name("key", .qualifiedName)
            taint.name("value", .labelValue)
            taint.require("effect")
            taint.word("effect", ["NoSchedule", "PreferNoSchedule", "NoExecute"])
            if !seen.insert("\(taint.string("key"))/\(taint.string("effect"))").inserted {
                taint.report(.duplicate(taint.path, .object(taint.object)))
            }
        }
    }

    static func configMap(_ top: inout Checker, _ old: JSONValue?) {
        var total = 0
        for field in ["data", "binaryData"] {
            for member in top.object[field]?.object?.members ?? [] {
                dataKey(member.key, at: top.path(field).key(member.key), &top)
                total += member.value.string?.utf8.count ?? 0
                if field == "data", top.object["binaryData"]?[member.key] != nil {
                    let detail = "duplicate of key present in binaryData"
                    top.report(.invalid(top.path("data").key(member.key), .string(member.key), detail))
                }
            }
        }
        if total > dataLimit { top.report(.tooLong(top.path, limit: dataLimit)) }
        guard old?["immutable"]?.bool == true else { return }
        if top.object["immutable"]?.bool != true {
            top.report(.forbidden(top.path("immutable"), "field is immutable when `immutable` is set"))
        }
        for field in ["data", "binaryData"] where !same(top.object[field], old?[field]) {
            top.report(.forbidden(top.path(field), "field is immutable when `immutable` is set"))
        }
    }

    static func secret(_ top: inout Checker, _ old: JSONValue?) {
        var total = 0
        for member in top.object["data"]?.object?.members ?? [] {
            dataKey(member.key, at: top.path("data").key(member.key), &top)
            total += (member.value.string?.utf8.count ?? 0) / 4 * 3
        }
        if total > dataLimit { top.report(.tooLong(top.path("data"), limit: dataLimit)) }
        for key in requiredKeys[top.string("type")] ?? [] where top.object["data"]?[key] == nil {
            top.report(.required(top.path("data").key(key)))
        }
        top.keep("type", from: old)
        guard old?["immutable"]?.bool == true else { return }
        if top.object["immutable"]?.bool != true {
            top.report(.forbidden(top.path("immutable"), "field is immutable when `immutable` is set"))
        }
        if !same(top.object["data"], old?["data"]) {
            top.report(.forbidden(top.path("data"), "field is immutable when `immutable` is set"))
        }
    }

    private static let requiredKeys = [
        "kubernetes.io/tls": ["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth": ["ssh-privatekey"],
        "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
        "kubernetes.io/dockercfg": [".dockercfg"],
    ]

    /// One mebibyte for all values together.
    private static var dataLimit: Int { 1 << 20 }

    private static func dataKey(_ key: String, at path: FieldPath, _ top: inout Checker) {
        func report(_ detail: String) { top.report(.invalid(path, .string(key), detail)) }
        if key.utf8.count > 253 { report("must be no more than 253 characters") }
        let isPlain = key.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || (0x30...0x39).contains(byte)
                || byte == 0x2D || byte == 0x2E || byte == 0x5F
        }
        if key.isEmpty || !isPlain {
            report(
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
                    + "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')")
        }
        if key == "." { report("must not be '.'") }
        if key == ".." { report("must not be '..'") } else if key.hasPrefix("..") { report("must not start with '..'") }
    }

    static func lease(_ top: inout Checker) {
        top.inside("spec") { spec in
            if let seconds = spec.integer("leaseDurationSeconds"), seconds <= 0 {
                spec.report(
                    .invalid(spec.path("leaseDurationSeconds"), .number(JSONNumber(seconds)), "must be greater than 0"))
            }
            spec.atLeast("leaseTransitions", 0)
        }
    }
}
