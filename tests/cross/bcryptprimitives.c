/* For tests under Wine 8 only, which lacks the DLL that Rust's std takes random bytes from on Windows. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID bytes, ULONG count);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count)
{
    return count <= 0xffffffff && SystemFunction036(bytes, (ULONG)count);
}
