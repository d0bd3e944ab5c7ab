import Addressing
import KubeAPI

extension Validation {
    static func podObject(_ top: inout Checker, _ old: JSONValue?) {
        if top.isMissing("spec") { top.report(.required(top.path("spec"))) }
        top.inside("spec") { spec in
            pod(&spec)
            if let old { podChange(&spec, old["spec"] ?? [:]) }
        }
    }

    /// A pod's spec, also inside a template.
    static func pod(_ spec: inout Checker) {
        spec.require("containers")
        spec.word("restartPolicy", ["Always", "OnFailure", "Never"])
        spec.word("dnsPolicy", ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"])
        spec.name("nodeName", .dnsSubdomain)
        spec.name("serviceAccountName", .dnsSubdomain)
        spec.name("hostname", .dnsLabel)
        spec.name("subdomain", .dnsLabel)
        spec.atLeast("terminationGracePeriodSeconds", 0)
        spec.atLeast("activeDeadlineSeconds", 1)
        labels("nodeSelector", in: &spec)
        if spec.string("dnsPolicy") == "None", spec.object["dnsConfig"]?["nameservers"]?.array?.isEmpty ?? true {
            spec.report(
                .required(
                    spec.path("dnsConfig").child("nameservers"),
                    "must provide at least one DNS nameserver when `dnsPolicy` is None"))
        }
        let volumes = volumes(&spec)
        var names: Set<String> = []
        let usesHostNetwork = spec.object["hostNetwork"]?.bool == true
        for field in ["initContainers", "containers"] {
            spec.each(field) { container, _ in
                check(container: &container, usesHostNetwork: usesHostNetwork, volumes: volumes)
                let name = container.string("name")
                if !name.isEmpty, !names.insert(name).inserted {
                    container.report(.duplicate(container.path("name"), .string(name)))
                }
            }
        }
        hostPorts(&spec)
        tolerations(&spec)
        spec.each("hostAliases") { alias, _ in
            let text = alias.string("ip")
            if IPAddress(text) == nil { alias.report(.invalid(alias.path("ip"), .string(text), FieldError.addressWanted)) }
        }
        spec.each("topologySpreadConstraints") { constraint, _ in
            if let skew = constraint.integer("maxSkew"), skew <= 0 {
                constraint.report(.invalid(constraint.path("maxSkew"), .number(JSONNumber(skew)), "must be greater than zero"))
            }
            constraint.require("topologyKey", "can not be empty")
            constraint.word("whenUnsatisfiable", ["DoNotSchedule", "ScheduleAnyway"])
            _ = selector("labelSelector", in: &constraint)
        }
    }

    private static func volumes(_ spec: inout Checker) -> Set<String> {
        var names: Set<String> = []
        spec.each("volumes") { volume, _ in
            volume.require("name")
            volume.name("name", .dnsLabel)
            let name = volume.string("name")
            if !name.isEmpty, !names.insert(name).inserted { volume.report(.duplicate(volume.path("name"), .string(name))) }
            let sources = volume.object.members.filter { $0.key != "name" && $0.value.object != nil }
            if sources.isEmpty { volume.report(.required(volume.path, "must specify a volume type")) }
            for extra in sources.dropFirst() {
                volume.report(.forbidden(volume.path(extra.key), "may not specify more than 1 volume type"))
            }
            volume.inside("configMap") { $0.require("name") }
            volume.inside("secret") { $0.require("secretName") }
            volume.inside("hostPath") { $0.require("path") }
        }
        return names
    }

    private static func check(container: inout Checker, usesHostNetwork: Bool, volumes: Set<String>) {
        container.require("name")
        container.name("name", .dnsLabel)
        container.require("image")
        container.word("imagePullPolicy", ["Always", "IfNotPresent", "Never"])
        container.word("terminationMessagePolicy", ["File", "FallbackToLogsOnError"])
        var names: Set<String> = []
        container.each("ports") { port, _ in
            port.name("name", .portName)
            let name = port.string("name")
            if !name.isEmpty, !names.insert(name).inserted { port.report(.duplicate(port.path("name"), .string(name))) }
            if port.integer("containerPort") ?? 0 == 0 {
                port.report(.required(port.path("containerPort")))
            } else {
                port.portNumber("containerPort")
            }
            port.portNumber("hostPort")
            port.word("protocol", ["SCTP", "TCP", "UDP"])
            let address = port.string("hostIP")
            if !address.isEmpty, IPAddress(address) == nil {
                port.report(.invalid(port.path("hostIP"), .string(address), FieldError.addressWanted))
            }
            if usesHostNetwork, let number = port.integer("hostPort"), number != 0, number != port.integer("containerPort") {
                port.report(
                    .invalid(
                        port.path("hostPort"), .number(JSONNumber(number)),
                        "must match `containerPort` when `hostNetwork` is true"))
            }
        }
        environment(&container)
        mounts(&container, volumes)
        for field in ["livenessProbe", "readinessProbe", "startupProbe"] { container.inside(field) { probe(&$0, field) } }
        container.inside("resources") { resources in
            for field in ["limits", "requests"] {
                for member in resources.object[field]?.object?.members ?? [] {
                    quantity(member.value, at: resources.path(field).key(member.key), &resources)
                }
            }
        }
    }

    private static func environment(_ container: inout Checker) {
        container.each("env") { variable, _ in
            variable.require("name")
            variable.name("name", .environmentName)
            guard let source = variable.object["valueFrom"]?.object else { return }
            let path = variable.path("valueFrom")
            if !variable.string("value").isEmpty {
                variable.report(.invalid(path, "", "may not be specified when `value` is not empty"))
            }
            let count = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"]
                .count { !source.isMissing($0) }
            if count == 0 {
                let words =
                    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
                variable.report(.invalid(path, "", words))
            } else if count > 1 {
                variable.report(.invalid(path, "", "may not have more than one field specified at a time"))
            }
            variable.inside("valueFrom") { source in
                for field in ["configMapKeyRef", "secretKeyRef"] { source.inside(field) { $0.require("key") } }
                source.inside("fieldRef") { $0.require("fieldPath") }
                source.inside("resourceFieldRef") { $0.require("resource") }
            }
        }
    }

    private static func mounts(_ container: inout Checker, _ volumes: Set<String>) {
        var paths: Set<String> = []
        container.each("volumeMounts") { mount, _ in
            mount.require("name")
            let name = mount.string("name")
            if !name.isEmpty, !volumes.contains(name) { mount.report(.notFound(mount.path("name"), .string(name))) }
            mount.require("mountPath")
            let path = mount.string("mountPath")
            if !path.isEmpty, !paths.insert(path).inserted {
                mount.report(.invalid(mount.path("mountPath"), .string(path), "must be unique"))
            }
            let inner = mount.string("subPath")
            if inner.hasPrefix("/") { mount.report(.invalid(mount.path("subPath"), .string(inner), "must be a relative path")) }
            if inner.split(separator: "/").contains("..") {
                mount.report(.invalid(mount.path("subPath"), .string(inner), "must not contain '..'"))
            }
        }
    }

    private static func probe(_ probe: inout Checker, _ kind: String) {
        let handlers = ["exec", "httpGet", "tcpSocket", "grpc"].filter { !probe.isMissing($0) }
        if handlers.isEmpty { probe.report(.required(probe.path, "must specify a handler type")) }
        for extra in handlers.dropFirst() {
            probe.report(.forbidden(probe.path(extra), "may not specify more than 1 handler type"))
        }
        for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
            probe.atLeast(field, 0)
        }
        if kind != "readinessProbe", let count = probe.integer("successThreshold"), count != 1 {
            probe.report(.invalid(probe.path("successThreshold"), .number(JSONNumber(count)), "must be 1"))
        }
        probe.inside("exec") { $0.require("command") }
        probe.inside("tcpSocket") { $0.portNumberOrName("port") }
        probe.inside("grpc") { $0.portNumber("port", isRequired: true) }
        probe.inside("httpGet") { get in
            get.require("path")
            get.portNumberOrName("port")
            get.word("scheme", ["HTTP", "HTTPS"])
        }
    }

    private static func quantity(_ value: JSONValue, at path: FieldPath, _ checker: inout Checker) {
        guard let text = value.string ?? value.number?.description else { return }
        guard let sign = Quantity.sign(of: text) else {
            checker.report(.invalid(path, value, Quantity.wording))
            return
        }
        if sign < 0 { checker.report(.invalid(path, .string(text), Wording.number)) }
    }

    private static func hostPorts(_ spec: inout Checker) {
        var seen: Set<String> = []
        for (position, container) in (spec.object["containers"]?.array ?? []).enumerated() {
            for (index, port) in (container["ports"]?.array ?? []).enumerated() {
                guard let number = port["hostPort"]?.integer, number != 0 else { continue }
                let text = "\(port["protocol"]?.string ?? "TCP")/\(port["hostIP"]?.string ?? "")/\(number)"
                guard !seen.insert(text).inserted else { continue }
                let path = spec.path("containers").index(position).child("ports").index(index)
                spec.report(.duplicate(path.child("hostPort"), .string(text)))
            }
        }
    }

    private static func tolerations(_ spec: inout Checker) {
        spec.each("tolerations") { toleration, _ in
            let word = toleration.string("operator")
            toleration.name("key", .qualifiedName)
            if toleration.string("key").isEmpty, word != "Exists" {
                let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\""
                toleration.report(.invalid(toleration.path("operator"), .string(word), detail))
            }
            if word == "Exists", !toleration.string("value").isEmpty {
                let value = JSONValue.string(toleration.string("value"))
                toleration.report(.invalid(toleration.path("operator"), value, "value must be empty when `operator` is 'Exists'"))
            }
            toleration.word("operator", ["Equal", "Exists"])
            toleration.word("effect", ["NoSchedule", "PreferNoSchedule", "NoExecute"])
            if !toleration.isMissing("tolerationSeconds"), toleration.string("effect") != "NoExecute" {
                let effect = JSONValue.string(toleration.string("effect"))
                toleration.report(
                    .invalid(
                        toleration.path("effect"), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
            }
        }
    }
}

// MARK: - Changes

extension Validation {
    /// Of a pod's spec only a few fields may change once it exists.
    private static func podChange(_ spec: inout Checker, _ old: JSONValue) {
        guard let before = old.object else { return }
        var allowed = spec.object
        for field in ["containers", "initContainers"] {
            let earlier = before.objects(field)
            var position = 0
            allowed.editEach(field) { container in
                if position < earlier.count { container["image"] = earlier[position]["image"] }
                position += 1
            }
        }
        for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"] {
            allowed[field] = before[field]
        }
        // The binding of a pod to its node is a change that is made once.
        if before.string("nodeName").isEmpty { allowed["nodeName"] = before["nodeName"] }
        if allowed != before {
            spec.report(
                .forbidden(
                    spec.path,
                    "pod updates may not change fields other than `spec.containers[*].image`,"
                        + "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
                        + "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it "
                        + "was previously negative)"))
        }
        tolerationChange(&spec, before)
        deadlineChange(&spec, before)
        let (grace, earlier) = (spec.integer("terminationGracePeriodSeconds"), before["terminationGracePeriodSeconds"]?.integer)
        if grace != earlier, !(earlier ?? 0 < 0 && grace == 1) {
            spec.report(.forbidden(spec.path, "pod updates may not change `spec.terminationGracePeriodSeconds`"))
        }
    }

    private static func tolerationChange(_ spec: inout Checker, _ before: JSONObject) {
        let now = spec.object["tolerations"]?.array ?? []
        // How long a taint is tolerated may change.
        func core(_ toleration: JSONValue) -> JSONValue {
            guard var object = toleration.object else { return toleration }
            object["tolerationSeconds"] = nil
            return .object(object)
        }
        let kept = Set(now.map(core))
        guard let lost = before["tolerations"]?.array?.first(where: { !kept.contains(core($0)) }) else { return }
        spec.report(
            .forbidden(
                spec.path("tolerations"),
                "existing toleration can not be modified except its tolerationSeconds: \(lost)"))
    }

    private static func deadlineChange(_ spec: inout Checker, _ before: JSONObject) {
        guard let old = before["activeDeadlineSeconds"]?.integer else { return }
        let path = spec.path("activeDeadlineSeconds")
        switch spec.integer("activeDeadlineSeconds") {
        case nil: spec.report(.invalid(path, .null, "must not update from a positive integer to nil value"))
        case let new? where new > old:
            spec.report(.invalid(path, .number(JSONNumber(new)), "must be less than or equal to previous value"))
        default: break
        }
    }
}
