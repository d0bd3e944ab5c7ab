public import KubeAPI
import KubeClient

/// The kinds that a lab serves beside those of every server.
public enum LabDefinitions {
    /// Each as a CustomResourceDefinition.
    public static let all: [JSONValue] = {
        let bytes = PackageResources.clusternetworkpolicies_yaml
        // It is part of the program, and a test reads it.
        return (try? ObjectFile.entries(bytes, path: "clusternetworkpolicies.yaml").map(\.tree)) ?? []
    }()
}
