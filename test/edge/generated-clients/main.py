"""Posts purchases with the client that is generated for Python, and prints what it reads of them."""

import sys

import openapi_client
from openapi_client.exceptions import NotFoundException

url, user = sys.argv[1:]
client = openapi_client.ApiClient(openapi_client.Configuration(host=url))
users = openapi_client.UsersApi(client)


def post(id, value, quantity, total, prefer):
    purchase = openapi_client.PurchaseRequest(
        userId=user, purchaseId=id, productName="Lamp", productType="Office", value=value, quantity=quantity, total=total
    )
    posted = openapi_client.PurchasesApi(client).post_purchase(purchase, prefer=prefer)
    receipt = users.read_receipt(user, id)
    same = str(posted.value == value and receipt.value == value and receipt.total == total).lower()
    print(
        f"{id} is {posted.status}: {receipt.value:.2f} x {receipt.quantity:d} = {receipt.total:.2f}, then {receipt.running_total:.2f};"
        f" same {same}; sequence {receipt.ledger_sequence:d}"
    )


post("small", 0.01, 1, 0.01, "wait=0")
post("large", 999999.99, 1, 999999.99, "wait=30")
post("largest", 1000000.00, 10000, 10000000000.00, "wait=30")
account = users.read_total(user)
print(f"total: {account.total:.2f} of {account.purchase_count:d}")
try:
    openapi_client.RejectedApi(client).read_rejected(999999999999999, 499)
except NotFoundException as refused:
    print(f"rejected: {refused.status}")
