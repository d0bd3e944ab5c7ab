import KubeAPI

extension Defaults {
    /// A pod's spec, also inside a template.
    static func pod(_ spec: inout JSONObject) {
        spec.fill("restartPolicy", "Always")
        spec.fill("dnsPolicy", "ClusterFirst")
        spec.fill("terminationGracePeriodSeconds", 30)
        spec.fill("schedulerName", "default-scheduler")
        spec.fill("securityContext", [:])
        spec.fill("enableServiceLinks", true)
        // The older name of the field is kept beside the newer one.
        if let account = spec["serviceAccountName"], !account.isNull { spec.fill("serviceAccount", account) }
        if let account = spec["serviceAccount"], !account.isNull { spec.fill("serviceAccountName", account) }
        let usesHostNetwork = spec["hostNetwork"]?.bool == true
        for field in ["initContainers", "containers", "ephemeralContainers"] {
            spec.editEach(field) { fill(container: &$0, usesHostNetwork: usesHostNetwork) }
        }
        spec.editEach("volumes", volume)
    }

    private static func fill(container: inout JSONObject, usesHostNetwork: Bool) {
        container.fill("imagePullPolicy", isLatest(container.string("image")) ? "Always" : "IfNotPresent")
        container.fill("terminationMessagePath", "/dev/termination-log")
        container.fill("terminationMessagePolicy", "File")
        container.fill("resources", [:])
        container.editEach("ports") { port in
            port.fill("protocol", "TCP")
            if usesHostNetwork, let number = port["containerPort"] { port.fill("hostPort", number) }
        }
        container.editEach("env") { variable in
            variable.edit("valueFrom") { $0.edit("fieldRef") { $0.fill("apiVersion", "v1") } }
        }
        for field in ["livenessProbe", "readinessProbe", "startupProbe"] { container.edit(field, probe) }
        container.edit("lifecycle") { lifecycle in
            lifecycle.edit("postStart", action)
            lifecycle.edit("preStop", action)
        }
        // What is limited and not requested is requested as it is limited.
        container.edit("resources") { resources in
            guard let limits = resources["limits"]?.object, !limits.isEmpty else { return }
            resources.editOrMake("requests") { requests in
                for member in limits.members { requests.fill(member.key, member.value) }
            }
        }
    }

    private static func probe(_ probe: inout JSONObject) {
        probe.fill("timeoutSeconds", 1)
        probe.fill("periodSeconds", 10)
        probe.fill("successThreshold", 1)
        probe.fill("failureThreshold", 3)
        action(&probe)
        probe.edit("grpc") { $0.fill("service", "") }
    }

    private static func action(_ action: inout JSONObject) {
        action.edit("httpGet") { get in
            get.fill("path", "/")
            get.fill("scheme", "HTTP")
        }
    }

    private static func volume(_ volume: inout JSONObject) {
        for field in ["secret", "configMap", "downwardAPI", "projected"] {
            volume.edit(field) { source in
                source.fill("defaultMode", 0o644)
                if field == "downwardAPI" { source.editEach("items", reference) }
                guard field == "projected" else { return }
                source.editEach("sources") { part in
                    part.edit("serviceAccountToken") { $0.fill("expirationSeconds", 3600) }
                    part.edit("downwardAPI") { $0.editEach("items", reference) }
                }
            }
        }
        volume.edit("hostPath") { $0.fill("type", "") }
        // A volume without a source is an empty directory.
        if volume.count == 1, !volume.isMissing("name") { volume["emptyDir"] = [:] }
    }

    private static func reference(_ item: inout JSONObject) {
        item.edit("fieldRef") { $0.fill("apiVersion", "v1") }
    }

    /// No tag and no digest, or the tag `latest`.
    static func isLatest(_ image: String) -> Bool {
        let name = image.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        guard !image.utf8.contains(UInt8(ascii: "@")) else { return false }
        guard let colon = name.lastIndex(of: ":") else { return true }
        return name[name.index(after: colon)...] == "latest"
    }
}
