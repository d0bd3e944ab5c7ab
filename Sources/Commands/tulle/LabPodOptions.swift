import ArgumentParser
import KubeAPI

/// Which container of a lab is meant.
struct LabPodOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The pod's namespace, where it is written by its name alone. [default: default]")
    var namespace: String?

    @Option(name: .shortAndLong, help: "Which container. [default: the first]")
    var container: String?

    @Argument(help: "The pod: \(PodReference.forms).")
    var pod: String

    func validate() throws {
        guard let reference = PodReference(pod) else { throw ValidationError("“\(pod)”: a pod is written \(PodReference.forms)") }
        if let written = reference.namespace, let namespace, written != namespace {
            throw ValidationError("“\(pod)” and --namespace \(namespace): two namespaces; give one of them")
        }
    }

    /// - Parameter verb: what is done there.
    func question(_ verb: String) -> JSONValue {
        let reference = PodReference(pod)
        return [
            "do": .string(verb), "namespace": .string(reference?.namespace ?? namespace ?? "default"),
            "pod": .string(reference?.name ?? pod), "container": .string(container ?? ""),
        ]
    }
}
