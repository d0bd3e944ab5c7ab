import Addressing
import KubeAPI

extension Validation {
    static func networkPolicy(_ top: inout Checker) {
        if top.isMissing("spec") { top.report(.required(top.path("spec"))) }
        top.inside("spec") { spec in
            _ = selector("podSelector", in: &spec)
            let types = spec.object["policyTypes"]?.array ?? []
            if types.count > 2 {
                let detail = "may not specify more than two policyTypes"
                spec.report(.invalid(spec.path("policyTypes"), .array(types), detail))
            }
            for (position, type) in types.enumerated() where type != "Ingress" && type != "Egress" {
                spec.report(.notSupported(spec.path("policyTypes").index(position), type, ["Egress", "Ingress"]))
            }
            for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
                spec.each(direction) { rule, _ in
                    rule.each("ports") { port, _ in policyPort(&port) }
                    rule.each(peers) { peer, _ in policyPeer(&peer) }
                }
            }
        }
    }

    private static func policyPort(_ port: inout Checker) {
        port.word("protocol", ["SCTP", "TCP", "UDP"])
        if !port.isMissing("port") { port.portNumberOrName("port") }
        guard let end = port.integer("endPort") else { return }
        switch port.object["port"] {
        case .number(let first):
            if let first = first.integer, end < first {
                port.report(
                    .invalid(port.path("endPort"), .number(JSONNumber(end)), "must be greater than or equal to `port`"))
            }
            if !(1...65535).contains(end) { port.report(.invalid(port.path("endPort"), .number(JSONNumber(end)), Wording.port)) }
        case .string:
            let detail = "may not be specified when `port` is non-numeric"
            port.report(.invalid(port.path("endPort"), .number(JSONNumber(end)), detail))
        default:
            let detail = "may not be specified when `port` is not specified"
            port.report(.invalid(port.path("endPort"), .number(JSONNumber(end)), detail))
        }
    }

    private static func policyPeer(_ peer: inout Checker) {
        _ = selector("podSelector", in: &peer)
        _ = selector("namespaceSelector", in: &peer)
        let hasSelector = !peer.isMissing("podSelector") || !peer.isMissing("namespaceSelector")
        guard !peer.isMissing("ipBlock") else {
            if !hasSelector { peer.report(.required(peer.path, "must specify a peer")) }
            return
        }
        if hasSelector {
            peer.report(.forbidden(peer.path, "may not specify both ipBlock and another peer"))
        }
        peer.inside("ipBlock") { block in
            block.require("cidr")
            let text = block.string("cidr")
            guard !text.isEmpty else { return }
            guard let outer = InterfaceAddress(text)?.prefix else {
                block.report(.invalid(block.path("cidr"), .string(text), FieldError.prefixWanted))
                return
            }
            for (position, value) in (block.object["except"]?.array ?? []).enumerated() {
                let path = block.path("except").index(position)
                guard let inner = value.string.flatMap(InterfaceAddress.init)?.prefix else {
                    block.report(.invalid(path, value, FieldError.prefixWanted))
                    continue
                }
                // An exception of everything would leave a rule that means nothing.
                if !outer.contains(inner) || inner.length <= outer.length {
                    block.report(.invalid(path, value, "must be a strict subset of `cidr`"))
                }
            }
        }
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
