/* A stand-in for libnvidia-ml.so.1, the NVIDIA driver's management library: machines of tests have no GPU.
 *
 * It tells what the text file named by STANDIN_GPUS says, and reads it at every call, so that a test heats a GPU or
 * pulls it off the bus while a program runs. Without the file no driver is loaded. Lines are `key=value`; `[gpu]`
 * begins a GPU, `[mig]` an instance of the GPU above it; what stands before the first `[gpu]` is of the driver.
 * A key that is missing is not supported by that GPU. The value LOST makes the call answer that the GPU is lost, HANG
 * makes it wait for ever, CRASH ends the process as a fault in the driver would, and ERR:n answers n.
 * Names and layouts are those of NVIDIA's nvml.h as pynvml declares them. Limits: no CUDA, no events, no changes.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long long u64;
typedef struct { char key[48], value[480]; int gpu, mig; } Entry;   /* gpu and mig from 1; 0 is the level above */

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, UNSUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, NO_DRIVER = 9, LOST = 15 };

static Entry entries[2048];
static int count, gpus, migs[64], initialised;

static int load(void) {
    const char *path = getenv("STANDIN_GPUS");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[560];
    int gpu = 0, mig = 0;
    if (!file) return NO_DRIVER;
    count = gpus = 0;
    memset(migs, 0, sizeof migs);
    while (fgets(line, sizeof line, file) && count < 2048) {
        char *equals = strchr(line, '=');
        line[strcspn(line, "\r\n")] = 0;
        if (!strcmp(line, "[gpu]")) { gpu = ++gpus; mig = 0; }
        else if (!strcmp(line, "[mig]")) mig = ++migs[gpu];
        else if (equals && line[0] != '#') {
            Entry *entry = &entries[count++];
            *equals = 0;
            snprintf(entry->key, sizeof entry->key, "%.47s", line);
            snprintf(entry->value, sizeof entry->value, "%.479s", equals + 1);
            entry->gpu = gpu;
            entry->mig = mig;
        }
    }
    fclose(file);
    return OK;
}

/* The value of a key of a driver, GPU or instance; *answer is what the call shall return. */
static const char *find(void *device, const char *key, int *answer) {
    size_t handle = (size_t)device;
    int gpu = handle & 0xff, mig = handle >> 8;
    *answer = load();
    if (*answer) return NULL;
    if (!initialised) { *answer = UNINITIALIZED; return NULL; }
    if (gpu > gpus) { *answer = LOST; return NULL; }
    for (int i = 0; i < count; i++) {
        Entry *entry = &entries[i];
        if (entry->gpu != gpu || entry->mig != mig || strcmp(entry->key, key)) continue;
        if (!strcmp(entry->value, "LOST")) { *answer = LOST; return NULL; }
        if (!strcmp(entry->value, "HANG")) for (;;) pause();
        if (!strcmp(entry->value, "CRASH")) raise(SIGSEGV);
        if (!strncmp(entry->value, "ERR:", 4)) { *answer = atoi(entry->value + 4); return NULL; }
        return entry->value;
    }
    *answer = UNSUPPORTED;
    return NULL;
}

static int number(void *device, const char *key, u64 *value) {
    int answer;
    const char *text = find(device, key, &answer);
    if (text) *value = strtoull(text, NULL, 0);
    return answer;
}

static int small(void *device, const char *key, unsigned *value) {
    u64 wide = 0;
    int answer = number(device, key, &wide);
    if (!answer) *value = (unsigned)wide;
    return answer;
}

static int text(void *device, const char *key, char *value, unsigned length) {
    int answer;
    const char *found = find(device, key, &answer);
    if (found) snprintf(value, length, "%s", found);
    return answer;
}

int nvmlInit_v2(void) { int answer = load(), code; if (answer) return answer; initialised++; find(NULL, "init", &code); if (code && code != UNSUPPORTED) { initialised--; return code; } return OK; }
int nvmlInitWithFlags(unsigned flags) { (void)flags; return nvmlInit_v2(); }
int nvmlShutdown(void) { if (!initialised) return UNINITIALIZED; initialised--; return OK; }
const char *nvmlErrorString(int code) {
    switch (code) {
    case OK: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID: return "Invalid Argument";
    case UNSUPPORTED: return "Not Supported";
    case NOT_FOUND: return "Not Found";
    case TOO_SMALL: return "Insufficient Size";
    case NO_DRIVER: return "Driver Not Loaded";
    case LOST: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}
int nvmlSystemGetDriverVersion(char *value, unsigned length) { return text(NULL, "driver", value, length); }
int nvmlDeviceGetCount_v2(unsigned *value) { int answer = load(); *value = (unsigned)gpus; return answer; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    int answer = load(), code;
    if (answer) return answer;
    if (index >= (unsigned)gpus) return INVALID;
    *device = (void *)(size_t)(index + 1);
    find(*device, "handle", &code);
    return code == LOST ? LOST : OK;
}
int nvmlDeviceGetUUID(void *d, char *value, unsigned length) { return text(d, "uuid", value, length); }
int nvmlDeviceGetName(void *d, char *value, unsigned length) { return text(d, "name", value, length); }

typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } Pci;
int nvmlDeviceGetPciInfo_v3(void *d, Pci *pci) {
    memset(pci, 0, sizeof *pci);
    int answer = text(d, "pci", pci->bus_id, sizeof pci->bus_id);
    if (!answer) sscanf(pci->bus_id, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device);
    return answer;
}

typedef struct { u64 total, free, used; } Memory;
typedef struct { unsigned version; u64 total, reserved, free, used; } Memory2;
int nvmlDeviceGetMemoryInfo(void *d, Memory *memory) {
    u64 reserved = 0;
    int answer = number(d, "memory_total", &memory->total);
    if (!answer) answer = number(d, "memory_used", &memory->used);
    if (number(d, "memory_reserved", &reserved) == OK) memory->used += reserved;
    memory->free = memory->total - memory->used;
    return answer;
}
int nvmlDeviceGetMemoryInfo_v2(void *d, Memory2 *memory) {
    int answer = number(d, "memory_total", &memory->total);
    if (!answer) answer = number(d, "memory_used", &memory->used);
    if (number(d, "memory_reserved", &memory->reserved)) memory->reserved = 0;
    memory->free = memory->total - memory->used - memory->reserved;
    return answer;
}
typedef struct { unsigned gpu, memory; } Utilization;
int nvmlDeviceGetUtilizationRates(void *d, Utilization *rates) {
    if (small(d, "utilization_memory", &rates->memory)) rates->memory = 0;
    return small(d, "utilization", &rates->gpu);
}
typedef struct { unsigned version; int sensor, temperature; } Temperature;
int nvmlDeviceGetTemperatureV(void *d, Temperature *t) { return small(d, "temperature", (unsigned *)&t->temperature); }
int nvmlDeviceGetTemperature(void *d, int sensor, unsigned *value) { (void)sensor; return small(d, "temperature", value); }
int nvmlDeviceGetTemperatureThreshold(void *d, int kind, unsigned *value) { return kind == 1 ? small(d, "slowdown", value) : UNSUPPORTED; }
int nvmlDeviceGetPowerUsage(void *d, unsigned *value) { return small(d, "power_mw", value); }
int nvmlDeviceGetEnforcedPowerLimit(void *d, unsigned *value) { return small(d, "power_limit_mw", value); }
int nvmlDeviceGetFanSpeed(void *d, unsigned *value) { return small(d, "fan", value); }
int nvmlDeviceGetCurrentClocksEventReasons(void *d, u64 *value) { return number(d, "throttles", value); }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *d, u64 *value) { return number(d, "throttles", value); }
int nvmlDeviceGetCudaComputeCapability(void *d, int *major, int *minor) {
    char value[16];
    int answer = text(d, "compute", value, sizeof value);
    if (!answer) sscanf(value, "%d.%d", major, minor);
    return answer;
}
int nvmlDeviceGetTotalEccErrors(void *d, int kind, int counter, u64 *value) {
    (void)counter;
    return number(d, kind ? "ecc_uncorrected" : "ecc_corrected", value);
}
int nvmlDeviceGetNvLinkState(void *d, unsigned link, unsigned *value) {      /* `nvlinks=1,1,0` */
    char states[480];
    int answer = text(d, "nvlinks", states, sizeof states);
    if (answer) return answer;
    if (link * 2 >= strlen(states)) return INVALID;
    *value = states[link * 2] == '1';
    return OK;
}
int nvmlDeviceGetMigMode(void *d, unsigned *current, unsigned *pending) { int answer = small(d, "mig", current); *pending = *current; return answer; }
int nvmlDeviceGetMaxMigDeviceCount(void *d, unsigned *value) { (void)d; *value = 7; return load(); }
int nvmlDeviceGetMigDeviceHandleByIndex(void *d, unsigned index, void **instance) {
    int answer = load();
    if (answer) return answer;
    if (index >= (unsigned)migs[(size_t)d & 0xff]) return NOT_FOUND;
    *instance = (void *)((size_t)d | (size_t)(index + 1) << 8);
    return OK;
}
typedef struct { unsigned pid; u64 memory; unsigned instance, compute_instance; } Process;
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *length, Process *processes) {   /* `processes=PID:BYTES,…` */
    char value[480];
    unsigned found = 0, room = *length;
    int answer = text(d, "processes", value, sizeof value);
    if (answer == UNSUPPORTED) value[0] = 0;
    else if (answer) return answer;
    for (char *each = strtok(value, ","); each; each = strtok(NULL, ","), found++)
        if (processes && found < room) {
            memset(&processes[found], 0xff, sizeof *processes);
            sscanf(each, "%u:%llu", &processes[found].pid, &processes[found].memory);
        }
    *length = found;
    return found > room ? TOO_SMALL : OK;
}
