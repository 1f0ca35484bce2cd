#!/usr/bin/env python3
"""Prints an AdmissionReview of about 1,900 bytes: a pod as an API server sends it, which the restricted level takes."""
import json

context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
           "seccompProfile": {"type": "RuntimeDefault"}}
token = {"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [
    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}}
pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web-7d4b9c6f5-x7k2p", "namespace": "shop",
       "creationTimestamp": None, "labels": {"app": "web", "pod-template-hash": "7d4b9c6f5"}},
       "spec": {"volumes": [token], "containers": [{
           "name": "app", "image": "registry.example/shop/web:1.4.2", "ports": [{"containerPort": 8080, "protocol": "TCP"}],
           "env": [{"name": "LOG_LEVEL", "value": "info"}],
           "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
           "volumeMounts": [{"name": "kube-api-access-x7k2p", "readOnly": True,
                             "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
           "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
           "imagePullPolicy": "IfNotPresent", "securityContext": context}],
           "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
           "serviceAccountName": "default", "serviceAccount": "default", "securityContext": {},
           "schedulerName": "default-scheduler", "enableServiceLinks": True}, "status": {}}
gvk = {"group": "", "version": "v1", "kind": "Pod"}
gvr = {"group": "", "version": "v1", "resource": "pods"}
print(json.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {
    "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": gvk, "resource": gvr, "requestKind": gvk,
    "requestResource": gvr, "name": "web-7d4b9c6f5-x7k2p", "namespace": "shop", "operation": "CREATE",
    "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller", "groups": ["system:authenticated"]},
    "object": pod, "oldObject": None, "dryRun": False, "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
}}, separators=(",", ":")), end="")
