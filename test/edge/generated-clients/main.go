// Posts purchases with the client that is generated for Go, and prints what it reads of them.
package main

import (
	"context"
	"fmt"
	"os"

	"generated/ledger"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	ctx := context.Background()
	configuration := ledger.NewConfiguration()
	configuration.Servers[0].URL = os.Args[1]
	client := ledger.NewAPIClient(configuration)
	user := os.Args[2]

	post := func(id string, value float64, quantity int32, total float64, prefer string) {
		purchase := ledger.NewPurchaseRequest(user, "Lamp", "Office", value, quantity)
		purchase.SetPurchaseId(id)
		purchase.SetTotal(total)
		posted, _, err := client.PurchasesAPI.PostPurchase(ctx).PurchaseRequest(*purchase).Prefer(prefer).Execute()
		check(err)
		receipt, _, err := client.UsersAPI.ReadReceipt(ctx, user, id).Execute()
		check(err)
		var sequence int64 = receipt.GetLedgerSequence()
		isSame := posted.GetValue() == value && receipt.GetValue() == value && receipt.GetTotal() == total
		fmt.Printf("%s is %s: %.2f x %d = %.2f, then %.2f; same %t; sequence %d\n", id, posted.GetStatus(), receipt.GetValue(),
			receipt.GetQuantity(), receipt.GetTotal(), receipt.GetRunningTotal(), isSame, sequence)
	}
	post("small", 0.01, 1, 0.01, "wait=0")
	post("large", 999999.99, 1, 999999.99, "wait=30")
	post("largest", 1000000.00, 10000, 10000000000.00, "wait=30")

	account, _, err := client.UsersAPI.ReadTotal(ctx, user).Execute()
	check(err)
	var count int64 = account.GetPurchaseCount()
	fmt.Printf("total: %.2f of %d\n", account.GetTotal(), count)
	_, response, _ := client.RejectedAPI.ReadRejected(ctx, 999999999999999, 499).Execute()
	fmt.Printf("rejected: %d\n", response.StatusCode)
}
