import Addressing
import KubeAPI

extension Validation {
    /// In the order of kube-apiserver, whose words come in it.
    ///
    /// - Parameter old: ranges that are stored stay as they are written, so that a policy of before can still be changed.
    static func networkPolicy(_ top: inout Checker, _ old: JSONValue?) {
        let stored = Set(old.map(ranges) ?? [])
        top.inside("spec") { spec in
            _ = selector("podSelector", in: &spec)
            for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
                spec.each(direction) { rule, _ in
                    rule.each("ports") { port, _ in policyPort(&port) }
                    rule.each(peers) { peer, _ in policyPeer(&peer, stored) }
                }
            }
            let types = spec.object["policyTypes"]?.array ?? []
            if types.count > 2 {
                let detail = "may not specify more than two policyTypes"
                spec.report(.invalid(spec.path("policyTypes"), .array(types), detail))
                return
            }
            for (position, type) in types.enumerated() where type != "Ingress" && type != "Egress" {
                spec.report(.notSupported(spec.path("policyTypes").index(position), type, ["Egress", "Ingress"]))
            }
        }
    }

    /// Every range that a policy names.
    private static func ranges(of policy: JSONValue) -> [String] { placedRanges(of: policy).map(\.text) }

    private static func placedRanges(of policy: JSONValue) -> [(path: FieldPath, text: String)] {
        func list(_ value: JSONValue, _ field: String, at path: FieldPath) -> [(path: FieldPath, value: JSONValue)] {
            (value[field]?.array ?? []).enumerated().map { (path.child(field).index($0), $1) }
        }
        let rules = [("ingress", "from"), ("egress", "to")].flatMap { direction, field in
            list(policy["spec"] ?? [:], direction, at: FieldPath("spec")).flatMap { list($0.value, field, at: $0.path) }
        }
        return rules.flatMap { peer -> [(path: FieldPath, text: String)] in
            guard let block = peer.value["ipBlock"] else { return [] }
            let path = peer.path.child("ipBlock")
            let values = [(path: path.child("cidr"), value: block["cidr"] ?? .null)] + list(block, "except", at: path)
            return values.compactMap { place in place.value.string.map { (place.path, $0) } }
        }
    }

    /// What is taken, and is to be written in another way: kube-apiserver's words, from 1.33 on.
    static func networkPolicyWarnings(_ policy: JSONValue) -> [String] {
        placedRanges(of: policy).compactMap { path, text in
            guard let range = InterfaceAddress(text) else { return nil }
            let (prefix, shown) = (range.prefix, JSONValue.string(text))
            if prefix.address != range.address {
                let host = IPPrefix(host: range.address)
                return "\(path): CIDR value \(shown) is ambiguous in this context (should be \"\(prefix)\" or \"\(host)\"?)"
            }
            if prefix.unmapped != prefix {
                return "\(path): non-standard CIDR value \(shown) will be considered invalid in a future Kubernetes release: "
                    + "use \"\(prefix.unmapped)\""
            }
            guard prefix.description != text else { return nil }
            return "\(path): IPv6 CIDR value \(shown) should be in RFC 5952 canonical format (\"\(prefix)\")"
        }
    }

    private static func policyPort(_ port: inout Checker) {
        let transports = ["TCP", "UDP", "SCTP"]
        if let word = port.object["protocol"], !word.isNull, !transports.contains(word.string ?? "") {
            port.report(.notSupported(port.path("protocol"), word, transports))
        }
        let end = port.integer("endPort")
        func report(_ detail: String) {
            guard let end else { return }
            port.report(.invalid(port.path("endPort"), .number(JSONNumber(end)), detail))
        }
        switch port.object["port"] {
        case .number(let first):
            port.portNumberOrName("port")
            guard let end else { return }
            if let first = first.integer, end < first { report("must be greater than or equal to `port`") }
            if !(1...65535).contains(end) { report(Wording.port) }
        case .string:
            report("may not be specified when `port` is non-numeric")
            port.portNumberOrName("port")
        default: report("may not be specified when `port` is not specified")
        }
    }

    private static func policyPeer(_ peer: inout Checker, _ stored: Set<String>) {
        let hasSelector = !peer.isMissing("podSelector") || !peer.isMissing("namespaceSelector")
        _ = selector("podSelector", in: &peer)
        _ = selector("namespaceSelector", in: &peer)
        guard !peer.isMissing("ipBlock") else {
            if !hasSelector { peer.report(.required(peer.path, "must specify a peer")) }
            return
        }
        peer.inside("ipBlock") { policyBlock(&$0, stored) }
        if hasSelector {
            peer.report(.forbidden(peer.path, "may not specify both ipBlock and another peer"))
        }
    }

    private static func policyBlock(_ block: inout Checker, _ stored: Set<String>) {
        block.require("cidr")
        let text = block.string("cidr")
        guard !text.isEmpty else { return }
        block.report(rangeFaults(text, at: block.path("cidr"), stored))
        guard let outer = InterfaceAddress(text)?.prefix.unmapped else { return }
        for (position, value) in (block.object["except"]?.array ?? []).enumerated() {
            let path = block.path("except").index(position)
            let text = value.string ?? ""
            block.report(rangeFaults(text, at: path, stored))
            guard let inner = InterfaceAddress(text)?.prefix.unmapped else { continue }
            // An exception of everything would leave a rule that means nothing.
            if !outer.contains(inner) || inner.length <= outer.length {
                block.report(.invalid(path, value, "must be a strict subset of `cidr`"))
            }
        }
    }

    private static func rangeFaults(_ text: String, at path: FieldPath, _ stored: Set<String>) -> [FieldError] {
        guard InterfaceAddress(text) != nil else { return [.invalid(path, .string(text), FieldError.prefixWanted)] }
        guard IPPrefix(text) == nil, !stored.contains(text) else { return [] }
        return [.invalid(path, .string(text), FieldError.plainPrefixWanted)]
    }

    static func ingress(_ top: inout Checker) {
        top.inside("spec") { spec in
            let hasRules = spec.object["rules"]?.array?.isEmpty == false
            if !hasRules, spec.isMissing("defaultBackend") {
                spec.report(.invalid(spec.path, .object(spec.object), "either `defaultBackend` or `rules` must be specified"))
            }
            spec.name("ingressClassName", .dnsSubdomain)
            spec.inside("defaultBackend") { backend(&$0) }
            spec.each("rules") { rule, _ in
                host(rule.string("host"), at: rule.path("host"), &rule)
                rule.inside("http") { http in
                    http.require("paths")
                    http.each("paths") { path, _ in ingressPath(&path) }
                }
            }
            spec.each("tls") { tls, _ in
                for (position, value) in (tls.object["hosts"]?.array ?? []).enumerated() {
                    host(value.string ?? "", at: tls.path("hosts").index(position), &tls)
                }
            }
        }
    }

    private static func host(_ text: String, at path: FieldPath, _ checker: inout Checker) {
        guard !text.isEmpty else { return }
        if IPAddress(text) != nil {
            checker.report(.invalid(path, .string(text), "must be a DNS name, not an IP address"))
            return
        }
        guard text.utf8.contains(UInt8(ascii: "*")) else {
            checker.report(NameRule.dnsSubdomain.faults(in: text).map { .invalid(path, .string(text), $0) })
            return
        }
        guard text.hasPrefix("*."), NameRule.dnsSubdomain.faults(in: String(text.dropFirst(2))).isEmpty else {
            let detail = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
            let more = "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character "
            let example = "(e.g. '*.example.com')"
            checker.report(.invalid(path, .string(text), detail + more + example))
            return
        }
    }

    private static func ingressPath(_ path: inout Checker) {
        if path.isMissing("pathType") { path.report(.required(path.path("pathType"), "pathType must be specified")) }
        path.word("pathType", ["Exact", "ImplementationSpecific", "Prefix"])
        let text = path.string("path")
        let isPlain = path.string("pathType") == "ImplementationSpecific" && text.isEmpty
        if !isPlain, !text.hasPrefix("/") {
            path.report(.invalid(path.path("path"), .string(text), "must be an absolute path"))
        }
        if path.string("pathType") != "ImplementationSpecific" {
            for wrong in ["//", "/./", "/../", "%2f", "%2F"] where text.firstRange(of: wrong) != nil {
                path.report(.invalid(path.path("path"), .string(text), "must not contain '\(wrong)'"))
            }
        }
        if path.isMissing("backend") { path.report(.required(path.path("backend"))) }
        path.inside("backend") { backend(&$0) }
    }

    private static func backend(_ backend: inout Checker) {
        let (hasService, hasResource) = (!backend.isMissing("service"), !backend.isMissing("resource"))
        if hasService, hasResource {
            backend.report(.invalid(backend.path, "", "cannot set both resource and service backends"))
        }
        if !hasService, !hasResource {
            backend.report(.required(backend.path, "resource or service backend is required"))
        }
        backend.inside("service") { service in
            service.require("name")
            service.name("name", .dnsLabel)
            let name = service.object["port"]?.at("name")?.string ?? ""
            let number = service.object["port"]?.at("number")?.integer ?? 0
            if name.isEmpty, number == 0 {
                service.report(.required(service.path, "port name or number is required"))
            } else if !name.isEmpty, number != 0 {
                service.report(.invalid(service.path, "", "cannot set both port name & port number"))
            }
            service.inside("port") { port in
                port.name("name", .portName)
                port.portNumber("number")
            }
        }
    }

    static func ingressClass(_ top: inout Checker, _ old: JSONValue?) {
        top.inside("spec") { spec in
            spec.name("controller", .qualifiedName)
            if old != nil { spec.keep("controller", from: old?["spec"]) }
        }
    }
}
