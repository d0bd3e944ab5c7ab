import Addressing
import KubeAPI

extension Validation {
    static func service(_ top: inout Checker, _ old: JSONValue?) {
        if top.isMissing("spec") { top.report(.required(top.path("spec"))) }
        top.inside("spec") { spec in
            serviceType(&spec)
            servicePorts(&spec)
            labels("selector", in: &spec)
            spec.word("sessionAffinity", ["ClientIP", "None"])
            spec.word("internalTrafficPolicy", ["Cluster", "Local"])
            spec.word("externalTrafficPolicy", ["Cluster", "Local"])
            spec.word("ipFamilyPolicy", ["PreferDualStack", "RequireDualStack", "SingleStack"])
            addresses(&spec)
            if let seconds = spec.object["sessionAffinityConfig"]?.at("clientIP", "timeoutSeconds")?.integer,
                !(1...86400).contains(seconds)
            {
                spec.report(
                    .invalid(
                        spec.path("sessionAffinityConfig").child("clientIP").child("timeoutSeconds"),
                        .number(JSONNumber(seconds)), "must be greater than 0 && less than 86400"))
            }
            if let old { serviceChange(&spec, old["spec"] ?? [:]) }
        }
    }

    private static func serviceType(_ spec: inout Checker) {
        let type = spec.string("type")
        if type.isEmpty { spec.report(.required(spec.path("type"))) }
        spec.word("type", ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"])
        switch type {
        case "ExternalName":
            // A dot at its end says that it is whole.
            let name = spec.string("externalName")
            let alias = name.hasSuffix(".") ? String(name.dropLast()) : name
            if alias.isEmpty {
                spec.report(.required(spec.path("externalName")))
            } else {
                spec.report(
                    NameRule.dnsSubdomain.faults(in: alias).map { .invalid(spec.path("externalName"), .string(alias), $0) })
            }
            if !spec.string("clusterIP").isEmpty {
                spec.report(.forbidden(spec.path("clusterIP"), "may not be set when `type` is 'ExternalName'"))
            }
        case "NodePort", "LoadBalancer":
            if spec.string("clusterIP") == "None" {
                let detail = "may not be set to 'None' for \(type) services"
                spec.report(.invalid(spec.path("clusterIPs").index(0), "None", detail))
            }
        default: break
        }
        let isOutside = ["NodePort", "LoadBalancer"].contains(type) || spec.object["externalIPs"]?.array?.isEmpty == false
        if !isOutside, !spec.string("externalTrafficPolicy").isEmpty {
            let value = JSONValue.string(spec.string("externalTrafficPolicy"))
            let detail = "may only be set for externally-accessible services"
            spec.report(.invalid(spec.path("externalTrafficPolicy"), value, detail))
        }
    }

    private static func servicePorts(_ spec: inout Checker) {
        let type = spec.string("type")
        let count = spec.object["ports"]?.array?.count ?? 0
        if count == 0, type != "ExternalName", spec.string("clusterIP") != "None" { spec.report(.required(spec.path("ports"))) }
        var names: Set<String> = []
        var numbers: Set<String> = []
        var nodePorts: Set<String> = []
        spec.each("ports") { port, _ in
            let name = port.string("name")
            if name.isEmpty, count > 1 { port.report(.required(port.path("name"))) }
            port.name("name", .dnsLabel)
            if !name.isEmpty, !names.insert(name).inserted { port.report(.duplicate(port.path("name"), .string(name))) }
            port.portNumber("port", isRequired: true)
            port.word("protocol", ["SCTP", "TCP", "UDP"])
            port.portNumberOrName("targetPort", isRequired: false)
            let transport = port.string("protocol")
            if let number = port.integer("port"), !numbers.insert("\(transport)/\(number)").inserted {
                port.report(.duplicate(port.path, ["port": .number(JSONNumber(number)), "protocol": .string(transport)]))
            }
            guard let number = port.integer("nodePort"), number != 0 else { return }
            if type == "ClusterIP" || type == "ExternalName" {
                port.report(.forbidden(port.path("nodePort"), "may not be used when `type` is '\(type)'"))
            } else {
                port.portNumber("nodePort")
            }
            if !nodePorts.insert("\(transport)/\(number)").inserted {
                port.report(.duplicate(port.path("nodePort"), .number(JSONNumber(number))))
            }
        }
    }

    private static func addresses(_ spec: inout Checker) {
        let list = spec.object["clusterIPs"]?.array?.compactMap(\.string) ?? []
        let first = spec.string("clusterIP")
        if list.isEmpty, !first.isEmpty, first != "None", IPAddress(first) == nil {
            spec.report(.invalid(spec.path("clusterIP"), .string(first), FieldError.addressWanted))
        }
        if let leading = list.first, leading != first {
            spec.report(
                .invalid(spec.path("clusterIPs"), .array(list.map(JSONValue.string)), "first value must match `clusterIP`"))
        }
        for (position, text) in list.enumerated() where text != "None" && IPAddress(text) == nil {
            spec.report(.invalid(spec.path("clusterIPs").index(position), .string(text), FieldError.addressWanted))
        }
        if list.count > 1, list.contains("None") {
            spec.report(
                .invalid(spec.path("clusterIPs").index(0), "None", "'None' must be the first and only value"))
        }
        if list.count > 2 {
            spec.report(.invalid(spec.path("clusterIPs"), .array(list.map(JSONValue.string)), "may only hold up to 2 values"))
        }
        for (position, value) in (spec.object["externalIPs"]?.array ?? []).enumerated() {
            guard let text = value.string else { continue }
            let path = spec.path("externalIPs").index(position)
            guard let address = IPAddress(text) else {
                spec.report(.invalid(path, value, FieldError.addressWanted))
                continue
            }
            if IPPrefix("127.0.0.0/8")?.contains(address) == true || IPPrefix("::1/128")?.contains(address) == true {
                spec.report(.invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
            }
        }
        for (position, value) in (spec.object["loadBalancerSourceRanges"]?.array ?? []).enumerated() {
            guard let text = value.string, InterfaceAddress(text) == nil else { continue }
            spec.report(.invalid(spec.path("loadBalancerSourceRanges").index(position), value, FieldError.prefixWanted))
        }
    }

    private static func serviceChange(_ spec: inout Checker, _ old: JSONValue) {
        // A service that stays in the cluster keeps its addresses; one that comes from, or turns to, a name has none to keep.
        guard old["type"] != "ExternalName", spec.string("type") != "ExternalName" else { return }
        let before = old["clusterIP"]?.string ?? ""
        if !before.isEmpty, spec.string("clusterIP") != before {
            let value = spec.object["clusterIPs"] ?? .array([.string(spec.string("clusterIP"))])
            let detail = spec.string("clusterIP").isEmpty ? "primary clusterIP can not be unset" : "may not change once set"
            spec.report(.invalid(spec.path("clusterIPs").index(0), value, detail))
        }
    }

    static func endpoints(_ top: inout Checker) {
        top.each("subsets") { subset, _ in
            if subset.object.objects("addresses").isEmpty, subset.object.objects("notReadyAddresses").isEmpty {
                subset.report(.required(subset.path, "must specify `addresses` or `notReadyAddresses`"))
            }
            for field in ["addresses", "notReadyAddresses"] {
                subset.each(field) { address, _ in
                    endpointAddress(address.string("ip"), at: address.path("ip"), &address)
                    address.name("hostname", .dnsLabel)
                }
            }
            let count = subset.object.objects("ports").count
            subset.each("ports") { port, _ in
                if count > 1 { port.require("name") }
                port.name("name", .dnsLabel)
                port.portNumber("port", isRequired: true)
                port.require("protocol")
                port.word("protocol", ["SCTP", "TCP", "UDP"])
            }
        }
    }

    static func endpointSlice(_ top: inout Checker, _ old: JSONValue?) {
        top.require("addressType")
        top.word("addressType", ["FQDN", "IPv4", "IPv6"])
        top.keep("addressType", from: old)
        let type = top.string("addressType")
        let count = top.object["endpoints"]?.array?.count ?? 0
        if count > 1000 { top.report(.tooMany(top.path("endpoints"), count, limit: 1000)) }
        top.each("endpoints") { endpoint, _ in
            let addresses = endpoint.object["addresses"]?.array ?? []
            if addresses.isEmpty { endpoint.report(.required(endpoint.path("addresses"), "must contain at least 1 address")) }
            if addresses.count > 100 { endpoint.report(.tooMany(endpoint.path("addresses"), addresses.count, limit: 100)) }
            for (position, address) in addresses.enumerated() {
                let path = endpoint.path("addresses").index(position)
                guard let text = address.string else { continue }
                switch type {
                case "FQDN":
                    endpoint.report(NameRule.dnsSubdomain.faults(in: text).map { .invalid(path, address, $0) })
                case "IPv4" where IPAddress(text)?.family != .v4:
                    endpoint.report(.invalid(path, address, "must be an IPv4 address"))
                case "IPv6" where IPAddress(text)?.family != .v6:
                    endpoint.report(.invalid(path, address, "must be an IPv6 address"))
                default: endpointAddress(text, at: path, &endpoint)
                }
            }
            endpoint.name("hostname", .dnsLabel)
            endpoint.name("nodeName", .dnsSubdomain)
        }
        let ports = top.object["ports"]?.array?.count ?? 0
        if ports > 20_000 { top.report(.tooMany(top.path("ports"), ports, limit: 20_000)) }
        var names: Set<String> = []
        top.each("ports") { port, _ in
            port.name("name", .dnsLabel)
            if !names.insert(port.string("name")).inserted {
                port.report(.duplicate(port.path("name"), .string(port.string("name"))))
            }
            port.portNumber("port")
            port.word("protocol", ["SCTP", "TCP", "UDP"])
        }
    }

    /// Traffic to these addresses would not leave the node, or would reach everybody.
    private static func endpointAddress(_ text: String, at path: FieldPath, _ checker: inout Checker) {
        func report(_ detail: String) { checker.report(.invalid(path, .string(text), detail)) }
        guard let address = IPAddress(text) else { return report(FieldError.addressWanted) }
        let refused: [(String, String)] = [
            ("0.0.0.0/32", "may not be unspecified (0.0.0.0 or ::)"),
            ("::/128", "may not be unspecified (0.0.0.0 or ::)"),
            ("127.0.0.0/8", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
            ("::1/128", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
            ("169.254.0.0/16", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
            ("fe80::/10", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
            ("224.0.0.0/24", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
            ("ff02::/16", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
        ]
        for (prefix, detail) in refused where IPPrefix(prefix)?.contains(address) == true { report(detail) }
    }
}
